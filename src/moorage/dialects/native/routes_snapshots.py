"""Pictures of streams: brought by the device, looked at by its owner."""

from email.utils import format_datetime

from fastapi import APIRouter, Response
from starlette.requests import Request

from moorage.core import devices, streams
from moorage.dialects.common import Services

BROUGHT = "/v1/commands/{command_id}/snapshot"
_JPEG = "image/jpeg"
_PICTURE = {"content": {_JPEG: {"schema": {"type": "string", "format": "binary"}}}}
# Nobody keeps it: it is of now, and may show people.
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def router(services: Services) -> APIRouter:
    """Build the routes."""
    routes = APIRouter(tags=["running"])
    callers = services.callers

    @routes.put(
        BROUGHT,
        status_code=204,
        response_class=Response,
        openapi_extra={"requestBody": {"required": True, **_PICTURE}},
    )
    async def bring_snapshot(request: Request, command_id: str) -> Response:
        """Take the picture a device was asked for by the command `snapshot`, at most 512 KiB."""
        async with callers.writing(request) as (tx, caller):
            await streams.record_snapshot(tx, caller, command_id, await request.body())
        return Response(status_code=204)

    @routes.get(
        "/v1/devices/{device_id}/streams/{stream_id}/snapshot",
        response_class=Response,
        responses={200: _PICTURE},
    )
    async def get_snapshot(request: Request, device_id: str, stream_id: str) -> Response:
        """Return the last picture of a stream, no older than a day."""
        async with callers.reading(request) as (tx, caller):
            device = await devices.get(tx, caller, device_id)
            found = await streams.get_snapshot(tx, caller, device.ref, stream_id)
        headers = {**_HEADERS, "Last-Modified": format_datetime(found.taken_at, usegmt=True)}
        return Response(found.jpeg, headers=headers, media_type=_JPEG)

    return routes
