"""``/console/fleet/views``: lists somebody wants to see again."""

from urllib.parse import parse_qs, urlencode

from starlette.requests import Request
from starlette.responses import Response

from moorage.console import web
from moorage.console.contexts.fleet import Views
from moorage.core import views
from moorage.core.errors import invalid

# A place in a list is not part of how it is to be seen.
_PLACES = ("after", "before")
_MOST_CONDITIONS = 100


async def show(request: Request) -> Response:
    """Show the views in the menu."""
    return await _menu(request, request.url.query)


async def save(request: Request) -> Response:
    """Keep what is shown under a name."""
    form = await web.form_of(request)
    query = _state(form.text("query"))
    async with web.writing(request) as (tx, caller):
        await views.save(tx, caller, form.text("name"), query)
    return web.tell(await _menu(request, query), "Saved.")


async def remove(request: Request) -> Response:
    """Take a view away."""
    form = await web.form_of(request)
    async with web.writing(request) as (tx, caller):
        await views.remove(tx, caller, form.text("name"))
    return await _menu(request, form.text("query"))


async def _menu(request: Request, query: str) -> Response:
    async with web.reading(request) as (tx, caller):
        found = await views.list_views(tx, caller)
    return web.render(request, "fleet/_views.html", Views(found, _state(query)))


def _state(query: str) -> str:
    try:
        parts = parse_qs(query, max_num_fields=_MOST_CONDITIONS)
    except ValueError:
        raise invalid("/query", f"a view has at most {_MOST_CONDITIONS} conditions") from None
    kept = {name: values for name, values in parts.items() if name not in _PLACES}
    return urlencode(kept, doseq=True)
