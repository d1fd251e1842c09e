"""``/v1/api-keys``: made, listed, revoked."""

from fastapi import APIRouter, Response
from starlette.requests import Request

from moorage.core import keys
from moorage.dialects.common import Services
from moorage.dialects.native.idempotency import answered_once
from moorage.dialects.native.pages import Limit
from moorage.dialects.native.wire import KeyIn, KeyMadeOut, KeyOut, KeyPatchIn, PageOut
from moorage.kit.unset import UNSET


def router(services: Services) -> APIRouter:
    """Build the routes."""
    routes = APIRouter(prefix="/v1/api-keys", tags=["api-keys"])
    callers = services.callers

    @routes.get("")
    async def list_keys(
        request: Request,
        limit: Limit = 50,
        cursor: str | None = None,
    ) -> PageOut[KeyOut]:
        """List the workspace's keys of the caller's mode, newest first, revoked ones too."""
        async with callers.reading(request) as (tx, caller):
            page = await keys.list_keys(tx, caller, cursor=cursor, limit=limit)
        return PageOut(data=[KeyOut.of(key) for key in page.items], next_cursor=page.next_cursor)

    @routes.post("", status_code=201, response_model=KeyMadeOut)
    async def make_key(request: Request, body: KeyIn) -> Response:
        """Make a key; its text is in this answer and nowhere else."""
        live = None if body.mode is None else body.mode == "live"
        async with callers.writing(request) as (tx, caller):

            async def work() -> KeyMadeOut:
                made = await keys.create(tx, caller, name=body.name, scopes=body.scopes, live=live)
                return KeyMadeOut.of_new(made)

            answer = await answered_once(request, tx, caller, work, secrets=frozenset({"key"}))
        return answer

    @routes.get("/{key_id}")
    async def get_key(request: Request, key_id: str) -> KeyOut:
        """Return one key."""
        async with callers.reading(request) as (tx, caller):
            return KeyOut.of(await keys.get(tx, caller, key_id))

    @routes.patch("/{key_id}")
    async def change_key(request: Request, key_id: str, body: KeyPatchIn) -> KeyOut:
        """Change what the body names; the rest stays."""
        given = body.model_fields_set
        async with callers.writing(request) as (tx, caller):
            changed = await keys.update(
                tx,
                caller,
                key_id,
                name=body.name if "name" in given else None,
                scopes=body.scopes if "scopes" in given else UNSET,
                disabled=body.disabled if "disabled" in given else None,
                protected=body.protected if "protected" in given else None,
            )
        return KeyOut.of(changed)

    @routes.post("/{key_id}/roll", status_code=201, response_model=KeyMadeOut)
    async def roll_key(request: Request, key_id: str) -> Response:
        """Replace a key by a new one; the old one stops at once."""
        async with callers.writing(request) as (tx, caller):

            async def work() -> KeyMadeOut:
                return KeyMadeOut.of_new(await keys.roll(tx, caller, key_id))

            answer = await answered_once(request, tx, caller, work, secrets=frozenset({"key"}))
        return answer

    @routes.delete("/{key_id}")
    async def revoke_key(request: Request, key_id: str) -> KeyOut:
        """Revoke a key, at once and for good."""
        async with callers.writing(request) as (tx, caller):
            revoked = KeyOut.of(await keys.revoke(tx, caller, key_id))
        return revoked

    return routes
