"""``/console/devices/{device_id}/events``: what happened to a device, in one line of time."""

from starlette.requests import Request
from starlette.responses import Response

from moorage.console import web
from moorage.console.queries import device_events as queries
from moorage.console.queries.device_events import Asked
from moorage.kit.text import clean_text


async def show(request: Request) -> Response:
    """Show a page of the timeline."""
    query = request.query_params
    asked = Asked(
        families=[one for one in query.getlist("kind") if one],
        name=clean_text(query.get("event", "")),
        before=query.get("before"),
        after=query.get("after"),
    )
    async with web.reading(request) as (tx, caller):
        page = await queries.show(tx, caller, request.path_params["device_id"], asked)
    if not web.is_fragment(request):
        return web.render(request, "device/events/page.html", page)
    # What asks for itself anew leaves the address as it is.
    headers = {} if "live" in query else {"HX-Push-Url": page.here}
    return web.render(request, "device/events/_timeline.html", page, headers=headers)
