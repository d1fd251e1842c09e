"""``/console/workspace/keys``: keys of the API, made, rolled, switched off and ended."""

from starlette.requests import Request
from starlette.responses import Response

from moorage.console import web
from moorage.console.queries import workspace_keys as queries
from moorage.console.web import Form
from moorage.core import keys
from moorage.core.caller import Scope
from moorage.core.errors import invalid

_KEYS = "workspace/_keys.html"
_MODES = {"": None, "live": True, "test": False}


async def show(request: Request) -> Response:
    """Show the keys of this mode."""
    async with web.reading(request) as (tx, caller):
        page = await queries.show(tx, caller, after=request.query_params.get("after"))
    name = _KEYS if web.is_fragment(request) else "workspace/keys.html"
    return web.render(request, name, page, headers={"Vary": "HX-Request"})


async def make(request: Request) -> Response:
    """Make a key; its text is shown this once."""
    form = await web.form_of(request)
    async with web.writing(request) as (tx, caller):
        # Before the form is looked at: whoever may not is told so, and not what is wrong with it.
        caller.require(Scope.API_KEY_CREATE)
        mode = form.text("mode")
        if mode not in _MODES:
            raise invalid("/mode", "a key is for the live or the test mode")
        made = await keys.create(
            tx,
            caller,
            name=keys.check_name(form.text("name")),
            scopes=_scopes(form),
            live=_MODES[mode],
        )
        page = await queries.show(tx, caller, made=made)
    return web.render(request, _KEYS, page)


def _scopes(form: Form) -> list[str] | None:
    """Return what was ticked; None, which is everything, only if that was asked for by its name."""
    return None if form.text("may") == "everything" else form.texts("scope")


async def roll(request: Request) -> Response:
    """Give a key another text, shown this once; the old one stops."""
    async with web.writing(request) as (tx, caller):
        made = await keys.roll(tx, caller, request.path_params["key_id"])
        page = await queries.show(tx, caller, made=made)
    return web.render(request, _KEYS, page)


async def switch(request: Request) -> Response:
    """Refuse a key for now, or let it work again."""
    disabled = (await web.form_of(request)).text("disabled") != "no"
    async with web.writing(request) as (tx, caller):
        key = await keys.update(tx, caller, request.path_params["key_id"], disabled=disabled)
        page = await queries.show(tx, caller)
    told = f"{key.name} is refused from now on." if disabled else f"{key.name} works again."
    return web.tell(web.render(request, _KEYS, page), told)


async def protect(request: Request) -> Response:
    """Keep a key from being disabled, rolled or revoked."""
    async with web.writing(request) as (tx, caller):
        key = await keys.update(tx, caller, request.path_params["key_id"], protected=True)
        page = await queries.show(tx, caller)
    return web.tell(web.render(request, _KEYS, page), f"{key.name} is protected.")


async def revoke(request: Request) -> Response:
    """End a key for good."""
    async with web.writing(request) as (tx, caller):
        key = await keys.revoke(tx, caller, request.path_params["key_id"])
        page = await queries.show(tx, caller)
    return web.tell(web.render(request, _KEYS, page), f"{key.name} opens nothing any more.")
