"""``/{workspace}/api-keys``: keys as this API manages them."""

from typing import Any

from fastapi import APIRouter, Body
from starlette.requests import Request

from moorage.core import keys, workspaces
from moorage.core.caller import Scope
from moorage.dialects.roboflow import wire
from moorage.dialects.roboflow.auth import Sessions, require
from moorage.kit.unset import UNSET

_Body = Body(default=None)
_FIELDS: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "scopes": (list, type(None)),
    "folderIds": (list, type(None)),
    "disabled": bool,
    "protected": bool,
    "customMetadata": (dict, type(None)),
}


def router(sessions: Sessions) -> APIRouter:
    """Build the routes."""
    routes = APIRouter(prefix="/{workspace}/api-keys", tags=["api-keys"])

    @routes.get("")
    async def list_keys(
        request: Request,
        workspace: str,
        includeDisabled: str | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        """List keys, a device's under its name; disabled ones when asked for."""
        async with sessions.reading(request, workspace) as (tx, caller):
            require(caller, Scope.API_KEY_READ)
            found = await keys.list_all(tx, caller)
            home = await workspaces.get(tx, caller.workspace_id)
        everything = (includeDisabled or "").lower() in ("1", "true", "yes")
        shown = [wire.key(key) for key in found if everything or key.disabled_at is None]
        return {"apiKeys": shown, "publishableKey": wire.publishable(home)}

    @routes.get("/publishable")
    async def get_publishable(request: Request, workspace: str) -> dict[str, Any]:
        """Return the text that names the workspace to browsers."""
        async with sessions.reading(request, workspace) as (tx, caller):
            require(caller, Scope.API_KEY_READ)
            home = await workspaces.get(tx, caller.workspace_id)
        return {"publishableKey": wire.publishable(home)}

    @routes.get("/{key_id}")
    async def get_key(request: Request, workspace: str, key_id: str) -> dict[str, Any]:
        """Return one key."""
        async with sessions.reading(request, workspace) as (tx, caller):
            require(caller, Scope.API_KEY_READ)
            return {"apiKey": wire.key(await keys.get(tx, caller, key_id))}

    @routes.post("", status_code=201)
    async def make_key(request: Request, workspace: str, body: Any = _Body) -> dict[str, Any]:
        """Make a key. ``scopes`` absent: the caller's; null: all; an empty list: none."""
        told = wire.fields({} if body is None else body, _FIELDS)
        async with sessions.writing(request, workspace) as (tx, caller, home):
            require(caller, Scope.API_KEY_CREATE)
            inherited = None if caller.scopes is None else sorted(map(str, caller.scopes))
            made = await keys.create(
                tx,
                caller,
                name=wire.key_name(told),
                scopes=wire.scope_names(told["scopes"]) if "scopes" in told else inherited,
            )
            changed = {
                name: told[name] for name in ("protected", "customMetadata") if told.get(name)
            }
            key = made.key
            if changed:
                key = await keys.finish(
                    tx,
                    caller,
                    key.id,
                    protected=changed.get("protected"),
                    metadata=changed.get("customMetadata"),
                )
        return wire.made_key(keys.NewKey(key, made.text), home)

    @routes.patch("/{key_id}")
    async def change_key(
        request: Request, workspace: str, key_id: str, body: Any = _Body
    ) -> dict[str, Any]:
        """Change what the body names; ``scopes`` absent leaves them."""
        told = wire.fields({} if body is None else body, _FIELDS)
        async with sessions.writing(request, workspace) as (tx, caller, _):
            require(caller, Scope.API_KEY_UPDATE)
            key = await keys.update(
                tx,
                caller,
                key_id,
                name=wire.key_name(told) if "name" in told else None,
                scopes=wire.scope_names(told["scopes"]) if "scopes" in told else UNSET,
                disabled=told.get("disabled"),
                protected=told.get("protected"),
                metadata=told.get("customMetadata"),
            )
        return {"apiKey": wire.key(key)}

    @routes.delete("/{key_id}")
    async def revoke_key(request: Request, workspace: str, key_id: str) -> dict[str, Any]:
        """Revoke a key, at once and for good."""
        async with sessions.writing(request, workspace) as (tx, caller, _):
            require(caller, Scope.API_KEY_REVOKE)
            await keys.revoke(tx, caller, key_id)
        return {"status": "revoked", "keyId": key_id}

    @routes.post("/{key_id}/roll", status_code=201)
    async def roll_key(request: Request, workspace: str, key_id: str) -> dict[str, Any]:
        """Replace a key by a new one of the same name and scopes."""
        async with sessions.writing(request, workspace) as (tx, caller, home):
            require(caller, Scope.API_KEY_REVOKE)
            made = await keys.roll(tx, caller, key_id)
        disabled = made.key.disabled_at is not None
        return {**wire.made_key(made, home), "disabled": disabled, "revokedKeyId": key_id}

    return routes
