"""``/console/palette``: what Ctrl-K offers."""

from starlette.requests import Request
from starlette.responses import Response

from moorage.console import web
from moorage.console.queries import palette as queries


async def find(request: Request) -> Response:
    """Find what fits what was typed; without anything typed, show the whole palette."""
    asked = request.query_params.get("q")
    async with web.reading(request) as (tx, caller):
        page = await queries.find(tx, caller, asked or "", web.console_of(request).paths)
    name = "palette/_palette.html" if asked is None else "palette/_options.html"
    return web.render(request, name, page)
