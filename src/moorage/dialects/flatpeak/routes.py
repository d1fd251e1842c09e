"""``/login`` and ``/devices``."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import WithJsonSchema
from starlette.requests import Request

from moorage.core import devices, provisioning
from moorage.core.devices import Changes
from moorage.dialects.common import answered_once
from moorage.dialects.flatpeak import shapes, wire
from moorage.dialects.flatpeak.answers import CURSOR, LIMIT, body_with_reference
from moorage.dialects.flatpeak.auth import Sessions
from moorage.dialects.flatpeak.scopes import DEVICE, DEVICES, LOGIN
from moorage.dialects.flatpeak.tokens import GOOD_FOR, Tokens

# Read once it is known who asks; the framework would say what is wrong with them before.
_Limit = Annotated[str | None, WithJsonSchema(LIMIT), Query()]
_Cursor = Annotated[str | None, WithJsonSchema(CURSOR), Query()]
_Text = Annotated[str | None, WithJsonSchema({"type": "string"}), Query()]


def router(sessions: Sessions, tokens: Tokens) -> APIRouter:
    """Build the routes."""
    routes = APIRouter()

    @routes.get(LOGIN, tags=["login"])
    async def log_in(request: Request, response: Response) -> shapes.Login:
        """Exchange an account's id and an API key for a token."""
        async with sessions.reading(request) as (tx, caller):
            text = tokens.issue(caller, tx.now)
        response.headers["Cache-Control"] = "no-store"
        return {
            "bearer_token": text,
            "expires_in": int(GOOD_FOR.total_seconds()),
            "live_mode": caller.live,
        }

    @routes.post(
        DEVICES,
        tags=["devices"],
        status_code=201,
        response_model=shapes.Device,
        openapi_extra=body_with_reference(required=False),
    )
    async def make_device(request: Request) -> Response:
        """Make a device, with the reference it is known by elsewhere."""
        body = await request.body()
        async with sessions.writing(request) as (tx, caller):
            reference = wire.reference_of(body)

            async def work() -> dict[str, Any]:
                name = (reference or "").strip() or None
                made = await provisioning.register_bare(tx, caller, name=name, reference=reference)
                return {**wire.device(made)}

            answer = await answered_once(request, tx, caller, work)
        return answer

    @routes.get(DEVICES, tags=["devices"])
    async def list_devices(
        request: Request,
        reference_id: _Text = None,
        limit: _Limit = None,
        starting_after: _Cursor = None,
        ending_before: _Cursor = None,
    ) -> shapes.Devices:
        """List devices of the credentials' mode, newest first."""
        async with sessions.reading(request) as (tx, caller):
            part = wire.part_of(reference_id, limit, starting_after, ending_before)
            page = await devices.list_around(
                tx,
                caller,
                limit=part.limit,
                after=part.after,
                before=part.before,
                known_as=part.known_as,
            )
        return wire.devices(page)

    @routes.get(DEVICE, tags=["devices"])
    async def get_device(request: Request, device_id: str) -> shapes.Device:
        """Return one device."""
        async with sessions.reading(request) as (tx, caller):
            found = await devices.get(tx, caller, device_id)
        return wire.device(found)

    @routes.patch(DEVICE, tags=["devices"], openapi_extra=body_with_reference(required=True))
    async def change_device(request: Request, device_id: str) -> shapes.Device:
        """Give a device another reference, or none."""
        body = await request.body()
        async with sessions.writing(request) as (tx, caller):
            changes = Changes(reference=wire.reference_of(body, required=True))
            changed = await devices.update(tx, caller, device_id, changes)
        return wire.device(changed)

    @routes.delete(DEVICE, tags=["devices"], status_code=202)
    async def retire_device(request: Request, device_id: str) -> shapes.Accepted:
        """End a device, in every API at once."""
        async with sessions.writing(request) as (tx, caller):
            await provisioning.retire(tx, caller, device_id)
        return {"message": "Accepted"}

    return routes
