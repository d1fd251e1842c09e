"""``/console/devices``: which devices need somebody, and why; and the list as CSV."""

from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response

from moorage.console import csvtext, web
from moorage.console.contexts.fleet import Asked
from moorage.console.queries import fleet as queries
from moorage.core.caller import Scope
from moorage.core.devices import Device
from moorage.kit.clock import rfc3339

_EXPORTED_AT_ONCE = 500
_HEAD = (
    *("id", "name", "type", "status", "reason", "last_report_at", "tags", "hostname"),
    *("reference", "approval", "agent_version", "platform", "created_at", "report_interval_s"),
)


async def show(request: Request) -> Response:
    """Show the fleet, or the part of the page that changes with the filter."""
    state = queries.asked(request.query_params)
    async with web.reading(request) as (tx, caller):
        page = await queries.show(tx, caller, state)
    name = "fleet/_fleet.html" if web.is_fragment(request) else "fleet/page.html"
    return web.render(request, name, page, headers={"Vary": "HX-Request"})


async def rows(request: Request) -> Response:
    """Show rows once more that a page has: their order and their choice stay as they are."""
    state = queries.asked(request.query_params)
    async with web.reading(request) as (tx, caller):
        page = await queries.rows_again(tx, caller, state, request.query_params.getlist("id"))
    return web.render(request, "fleet/_rows.html", page)


async def filters(request: Request) -> Response:
    """Show what there is to filter by."""
    state = queries.asked(request.query_params)
    async with web.reading(request) as (tx, caller):
        page = await queries.filters(tx, caller, state)
    return web.render(request, "fleet/_filters.html", page)


async def export(request: Request) -> Response:
    """Hand out the devices of a filter as CSV, however many there are, a page at a time."""
    state = queries.asked(request.query_params)
    async with web.reading(request) as (_, caller):
        caller.require(Scope.DEVICE_READ)
    return web.csv_file(_lines(request, state), "devices.csv")


async def _lines(request: Request, state: Asked) -> AsyncIterator[str]:
    yield csvtext.line(_HEAD)
    cursor: str | None = None
    while True:
        async with web.reading(request) as (tx, caller):
            found, cursor = await queries.exported(tx, caller, state, cursor, _EXPORTED_AT_ONCE)
        yield "".join(csvtext.line(_cells(device)) for device in found)
        if cursor is None:
            return


def _cells(device: Device) -> tuple[str, ...]:
    last = device.presence.last_contact_at
    facts = device.facts
    return (
        device.id,
        device.name,
        device.type,
        str(device.presence.status),
        device.presence.reason,
        "" if last is None else rfc3339(last),
        " ".join(device.tags),
        str(facts.get("hostname") or ""),
        device.reference or "",
        str(device.approval),
        str(facts.get("agent_version") or ""),
        str(facts.get("platform") or ""),
        rfc3339(device.created_at),
        str(device.interval_s),
    )
