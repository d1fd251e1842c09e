"""``/console/workspace/health``: how the fleet's agents and the server are."""

from starlette.requests import Request
from starlette.responses import Response

from moorage.console import web
from moorage.console.queries import workspace_health as queries


async def show(request: Request) -> Response:
    """Show the fleet, and to owners the server."""
    services = web.console_of(request).services
    async with web.reading(request) as (tx, caller):
        page = await queries.show(tx, caller, services)
    return web.render(request, "workspace/health.html", page)


async def server(request: Request) -> Response:
    """Show the server's part anew, with how much came since it was shown."""
    services = web.console_of(request).services
    async with web.reading(request) as (tx, caller):
        page = await queries.server(tx, caller, services, request.query_params)
    return web.render(request, "workspace/_server.html", page)
