"""``/console/devices/{device_id}``: how a device is, at a glance."""

from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from moorage.console import web
from moorage.console.queries import device_overview as queries


def _period(request: Request) -> str:
    return request.query_params.get("period", queries.FIRST_PERIOD)


async def show(request: Request) -> Response:
    """Show the tab, or what of it changes by itself."""
    device_id = request.path_params["device_id"]
    async with web.reading(request) as (tx, caller):
        page = await queries.show(tx, caller, device_id, _period(request))
    part = web.is_fragment(request)
    return web.render(request, "device/_now.html" if part else "device/overview.html", page)


async def chart(request: Request) -> Response:
    """Answer with telemetry of a period, for the charts."""
    device_id = request.path_params["device_id"]
    async with web.reading(request) as (tx, caller):
        found = await queries.chart(tx, caller, device_id, _period(request))
    return JSONResponse(asdict(found))
