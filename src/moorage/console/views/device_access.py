"""``/console/devices/{device_id}/keys`` and ``/access``: what opens a device's record."""

from starlette.requests import Request
from starlette.responses import Response

from moorage.console import web
from moorage.console.queries import device_access as queries
from moorage.core import provisioning


async def show_keys(request: Request) -> Response:
    """Show the device's keys."""
    async with web.reading(request) as (tx, caller):
        page = await queries.show_keys(tx, caller, request.path_params["device_id"])
    return web.render(request, "device/keys/page.html", page)


async def rotate(request: Request) -> Response:
    """Replace the key; the new one is shown this once."""
    device_id = request.path_params["device_id"]
    async with web.writing(request) as (tx, caller):
        made = await provisioning.rotate_key(tx, caller, device_id)
        page = await queries.show_keys(tx, caller, device_id, text=made.text)
    return web.render(request, "device/keys/_keys.html", page)


async def show_access(request: Request) -> Response:
    """Show the ways to set the device up."""
    managed = web.console_of(request).services.environments is not None
    async with web.reading(request) as (tx, caller):
        page = await queries.show_access(
            tx, caller, request.path_params["device_id"], managed=managed
        )
    return web.render(request, "device/access/page.html", page)
