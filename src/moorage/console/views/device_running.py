"""``/console/devices/{device_id}/streams`` and ``/services``: what a device runs."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from moorage.console import web
from moorage.console.queries import device_running as queries
from moorage.core import commands, devices, streams
from moorage.kit.text import clean_text


async def show_streams(request: Request) -> Response:
    """Show the streams."""
    async with web.reading(request) as (tx, caller):
        page = await queries.show_streams(tx, caller, request.path_params["device_id"])
    part = web.is_fragment(request)
    name = "_streams.html" if part else "page.html"
    return web.render(request, f"device/streams/{name}", page)


async def picture(request: Request) -> Response:
    """Answer with the last picture of a stream."""
    stream_id = clean_text(request.query_params.get("stream", ""))
    async with web.reading(request) as (tx, caller):
        device = await devices.get(tx, caller, request.path_params["device_id"])
        found = await streams.get_snapshot(tx, caller, device.ref, stream_id)
    return Response(found.jpeg, media_type="image/jpeg")


async def act(request: Request) -> Response:
    """Send a command about one stream."""
    form = await web.form_of(request)
    return await _sent(request, form.text("kind"), {"stream_id": form.text("stream")})


async def show_services(request: Request) -> Response:
    """Show the services."""
    async with web.reading(request) as (tx, caller):
        page = await queries.show_services(tx, caller, request.path_params["device_id"])
    part = web.is_fragment(request)
    name = "_services.html" if part else "page.html"
    return web.render(request, f"device/services/{name}", page)


async def restart(request: Request) -> Response:
    """Ask for a service to be restarted."""
    form = await web.form_of(request)
    return await _sent(request, "restart_service", {"service": form.text("service")})


async def _sent(request: Request, kind: str, arguments: Mapping[str, str]) -> Response:
    async with web.writing(request) as (tx, caller):
        device = await devices.get(tx, caller, request.path_params["device_id"])
        await commands.send(tx, caller, device.ref, kind=kind, arguments=arguments)
    told = f"{kind} is queued. The device gets it with its next report; see Commands."
    return web.tell(Response(status_code=204), told)
