"""``/console/devices/{device_id}/logs``: what a device and its services wrote."""

from starlette.requests import Request
from starlette.responses import Response

from moorage.console import web
from moorage.console.queries import device_logs as queries
from moorage.console.queries.device_logs import Asked
from moorage.core.errors import invalid
from moorage.kit.text import clean_text

_LINES = "device/logs/_lines.html"
_LARGEST_ID = 2**63 - 1
_MOST_DIGITS = 19


async def show(request: Request) -> Response:
    """Show the last lines, or those around one."""
    line = request.query_params.get("line")
    async with web.reading(request) as (tx, caller):
        page = await queries.show(
            tx, caller, request.path_params["device_id"], _asked(request), line=line
        )
    if not web.is_fragment(request):
        return web.render(request, "device/logs/page.html", page)
    return web.render(
        request, "device/logs/_results.html", page, headers={"HX-Push-Url": page.path}
    )


async def lines(request: Request) -> Response:
    """Show the lines before one, or after it."""
    given = {name: request.query_params.get(name) for name in ("before", "after")}
    async with web.reading(request) as (tx, caller):
        page = await queries.page(
            tx,
            caller,
            request.path_params["device_id"],
            _asked(request),
            cursor=given["before"] or given["after"] or "",
            forward=given["before"] is None,
        )
    return web.render(request, _LINES, page)


async def new(request: Request) -> Response:
    """Show what came in since a row was stored."""
    since = request.query_params.get("since", "0")
    async with web.reading(request) as (tx, caller):
        page = await queries.new(
            tx,
            caller,
            request.path_params["device_id"],
            _asked(request),
            since=_row_id(since),
            again="again" in request.query_params,
        )
    return web.render(request, _LINES, page)


def _row_id(text: str) -> int:
    is_whole = text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
    if not is_whole or int(text) > _LARGEST_ID:
        raise invalid("/since", "since is the id of a row, a whole number as it was given")
    return int(text)


def _asked(request: Request) -> Asked:
    query = request.query_params
    return Asked(
        services=[clean_text(one) for one in query.getlist("service") if one],
        severities=[clean_text(one) for one in query.getlist("severity") if one],
        text=clean_text(query.get("q", "")),
        span=query.get("span", ""),
        start=query.get("from", ""),
        end=query.get("to", ""),
    )
