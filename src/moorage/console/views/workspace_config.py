"""``/console/workspace/config``: what new devices begin with, and how long rows are kept."""

from starlette.requests import Request
from starlette.responses import Response

from moorage.console import web
from moorage.console.queries import workspace_config as queries
from moorage.core import config, workspaces
from moorage.core.caller import Scope

_PAGE = "/console/workspace/config"


async def show(request: Request) -> Response:
    """Show the default config."""
    bounds = web.console_of(request).services.kept_days
    async with web.reading(request) as (tx, caller):
        page = await queries.show(tx, caller, bounds)
    return web.render(request, "workspace/config.html", page)


async def check(request: Request) -> Response:
    """Say what saving would do, while somebody types."""
    form = await web.form_of(request)
    async with web.reading(request) as (tx, caller):
        page = await queries.check(tx, caller, form.text("patch"))
    return web.render(request, "workspace/_checked.html", page)


async def save(request: Request) -> Response:
    """Put the text in the place of the workspace's part, unless somebody else was faster."""
    form = await web.form_of(request)
    async with web.writing(request) as (tx, caller):
        # Before the text is read: whoever may not is told so, and not what is wrong with it.
        caller.require(Scope.CONFIG_WRITE)
        patch = queries.patch_of(form.text("patch"))
        await config.replace_default(tx, caller, patch, if_match=form.text("digest") or None)
    told = "Saved. Devices made from now on begin with it; those there are stay as they are."
    return web.go(request, _PAGE, told)


async def keep(request: Request) -> Response:
    """Set how many days rows are kept."""
    form = await web.form_of(request)
    bounds = web.console_of(request).services.kept_days
    async with web.writing(request) as (tx, caller):
        caller.require(Scope.WORKSPACE_ADMIN)
        days = {name: queries.days_of(form.text(name), name) for name in bounds if name in form}
        own = await workspaces.get(tx, caller.workspace_id)
        await workspaces.update(tx, caller, own.slug, retention=days, bounds=bounds)
    return web.go(request, _PAGE, "Changed; what is older goes within the hour.")
