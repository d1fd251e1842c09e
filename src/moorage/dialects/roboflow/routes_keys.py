"""``/{workspace}/api-keys``: keys as this API manages them."""

from typing import Any

from fastapi import APIRouter, Body
from starlette.requests import Request
from starlette.responses import Response

from moorage.core import keys, workspaces
from moorage.core.caller import Scope
from moorage.dialects.roboflow import shapes, wire
from moorage.dialects.roboflow.answers import answer, told
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
_KEY_BODY = {
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 128},
        "scopes": {"type": ["array", "null"], "items": {"type": "string"}},
        "folderIds": {"type": ["array", "null"]},
        "disabled": {"type": "boolean"},
        "protected": {"type": "boolean"},
        "customMetadata": {"type": ["object", "null"]},
    }
}


def router(sessions: Sessions) -> APIRouter:
    """Build the routes."""
    routes = APIRouter(prefix="/{workspace}/api-keys", tags=["api-keys"])

    @routes.get("", **told(shapes.Keys))
    async def list_keys(
        request: Request,
        workspace: str,
        includeDisabled: str | None = None,  # noqa: N803
    ) -> Response:
        """List keys, a device's under its name; disabled ones when asked for."""
        async with sessions.reading(request, workspace) as (tx, caller):
            require(caller, Scope.API_KEY_READ)
            found = await keys.list_all(tx, caller)
            home = await workspaces.get(tx, caller.workspace_id)
        everything = (includeDisabled or "").lower() in ("1", "true", "yes")
        shown = [wire.key(key) for key in found if everything or key.disabled_at is None]
        return answer({"apiKeys": shown, "publishableKey": wire.publishable(home)})

    @routes.get("/publishable", **told(shapes.Publishable))
    async def get_publishable(request: Request, workspace: str) -> Response:
        """Return the text that names the workspace to browsers."""
        async with sessions.reading(request, workspace) as (tx, caller):
            require(caller, Scope.API_KEY_READ)
            home = await workspaces.get(tx, caller.workspace_id)
        return answer({"publishableKey": wire.publishable(home)})

    @routes.get("/{key_id}", **told(shapes.OneKey))
    async def get_key(request: Request, workspace: str, key_id: str) -> Response:
        """Return one key."""
        async with sessions.reading(request, workspace) as (tx, caller):
            require(caller, Scope.API_KEY_READ)
            return answer({"apiKey": wire.key(await keys.get(tx, caller, key_id))})

    @routes.post("", **told(shapes.KeyMade, 201, body=_KEY_BODY))
    async def make_key(request: Request, workspace: str, body: Any = _Body) -> Response:
        """Make a key. ``scopes`` absent: the caller's; null: all; an empty list: none."""
        async with sessions.writing(request, workspace, widen=False) as (tx, caller, home):
            require(caller, Scope.API_KEY_CREATE)
            asks = wire.fields({} if body is None else body, _FIELDS)
            inherited = None if caller.scopes is None else sorted(map(str, caller.scopes))
            made = await keys.create(
                tx,
                caller,
                name=wire.key_name(asks),
                scopes=wire.scope_names(asks["scopes"]) if "scopes" in asks else inherited,
            )
            changed = {
                name: asks[name] for name in ("protected", "customMetadata") if asks.get(name)
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
        return answer(wire.made_key(keys.NewKey(key, made.text), home), 201)

    @routes.patch("/{key_id}", **told(shapes.OneKey, body=_KEY_BODY))
    async def change_key(
        request: Request, workspace: str, key_id: str, body: Any = _Body
    ) -> Response:
        """Change what the body names; ``scopes`` absent leaves them."""
        async with sessions.writing(request, workspace, widen=False) as (tx, caller, _):
            require(caller, Scope.API_KEY_UPDATE)
            asks = wire.fields({} if body is None else body, _FIELDS)
            key = await keys.update(
                tx,
                caller,
                key_id,
                name=wire.key_name(asks) if "name" in asks else None,
                scopes=wire.scope_names(asks["scopes"]) if "scopes" in asks else UNSET,
                disabled=asks.get("disabled"),
                protected=asks.get("protected"),
                metadata=asks.get("customMetadata"),
            )
        return answer({"apiKey": wire.key(key)})

    @routes.delete("/{key_id}", **told(shapes.KeyRevoked))
    async def revoke_key(request: Request, workspace: str, key_id: str) -> Response:
        """Revoke a key, at once and for good."""
        async with sessions.writing(request, workspace, widen=False) as (tx, caller, _):
            require(caller, Scope.API_KEY_REVOKE)
            await keys.revoke(tx, caller, key_id)
        return answer({"status": "revoked", "keyId": key_id})

    @routes.post("/{key_id}/roll", **told(shapes.KeyRolled, 201))
    async def roll_key(request: Request, workspace: str, key_id: str) -> Response:
        """Replace a key by a new one of the same name and scopes."""
        async with sessions.writing(request, workspace, widen=False) as (tx, caller, home):
            require(caller, Scope.API_KEY_REVOKE)
            made = await keys.roll(tx, caller, key_id)
        disabled = made.key.disabled_at is not None
        shown = {**wire.made_key(made, home), "disabled": disabled, "revokedKeyId": key_id}
        return answer(shown, 201)

    return routes
