"""``/console/devices``: which devices need somebody, and why."""

from starlette.requests import Request
from starlette.responses import Response

from moorage.console import web
from moorage.console.queries import fleet as queries


async def show(request: Request) -> Response:
    """Show the fleet."""
    async with web.reading(request) as (tx, caller):
        page = await queries.first_look(tx, caller)
    return web.render(request, "fleet/page.html", page)
