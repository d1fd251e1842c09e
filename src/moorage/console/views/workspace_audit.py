"""``/console/workspace/audit``: who changed what, by a filter; and the same as CSV."""

from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response

from moorage.console import csvtext, web
from moorage.console.contexts.workspace_audit import Asked
from moorage.console.queries import workspace_audit as queries
from moorage.core.caller import Scope

_AT_ONCE = 500
# More than this a spreadsheet does not take; the API hands out all.
MOST_EXPORTED = 1_000_000


async def show(request: Request) -> Response:
    """Show the changes of a filter."""
    wanted = queries.asked(request.query_params)
    async with web.reading(request) as (tx, caller):
        page = await queries.show(tx, caller, wanted)
    name = "workspace/_audit.html" if web.is_fragment(request) else "workspace/audit.html"
    return web.render(request, name, page, headers={"Vary": "HX-Request"})


async def export(request: Request) -> Response:
    """Hand out the changes of a filter as CSV, newest first, a page at a time."""
    wanted = queries.asked(request.query_params)
    async with web.reading(request) as (_, caller):
        caller.require(Scope.AUDIT_READ)
    return web.csv_file(_lines(request, wanted), "audit.csv")


async def _lines(request: Request, wanted: Asked) -> AsyncIterator[str]:
    yield csvtext.line(queries.HEAD)
    cursor: str | None = None
    for _ in range(MOST_EXPORTED // _AT_ONCE):
        # A transaction for each page: a long download holds none, and a session ended ends it.
        async with web.reading(request) as (tx, caller):
            page = await queries.entries(tx, caller, wanted, cursor=cursor, limit=_AT_ONCE)
        yield "".join(csvtext.line(queries.cells(entry)) for entry in page.items)
        cursor = page.next_cursor
        if cursor is None:
            return
    yield csvtext.line([f"there is more: this ends after {MOST_EXPORTED} lines"])
