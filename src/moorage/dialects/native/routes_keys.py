"""``/v1/api-keys``: made, listed, revoked."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from starlette.requests import Request

from moorage.core import keys
from moorage.dialects.common import Services
from moorage.dialects.native.idempotency import answered_once
from moorage.dialects.native.wire import KeyIn, KeyMadeOut, KeyOut, PageOut


def router(services: Services) -> APIRouter:
    """Build the routes."""
    routes = APIRouter(prefix="/v1/api-keys", tags=["api-keys"])
    callers = services.callers

    @routes.get("")
    async def list_keys(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
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

    @routes.delete("/{key_id}")
    async def revoke_key(request: Request, key_id: str) -> KeyOut:
        """Revoke a key, at once and for good."""
        async with callers.writing(request) as (tx, caller):
            revoked = KeyOut.of(await keys.revoke(tx, caller, key_id))
        return revoked

    return routes
