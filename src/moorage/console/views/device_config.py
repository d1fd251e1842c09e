"""``/console/devices/{device_id}/config``: what a device is to run; edit, compare, roll back."""

from starlette.requests import Request
from starlette.responses import Response

from moorage.console import web
from moorage.console.queries import device_config as queries
from moorage.core import config, devices
from moorage.core.caller import Scope
from moorage.core.errors import invalid

_HIGHEST = 2**31 - 1
_MOST_DIGITS = 10
_REVISIONS = "revisions"


def _id(request: Request) -> str:
    device_id: str = request.path_params["device_id"]
    return device_id


def _tab(request: Request) -> str:
    return f"/console/devices/{_id(request)}/config"


def _number(text: str, pointer: str) -> int:
    is_whole = text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
    if not is_whole or not 1 <= int(text) <= _HIGHEST:
        raise invalid(pointer, "a revision is a whole number from 1")
    return int(text)


async def show(request: Request) -> Response:
    """Show the tab, or another page of revisions."""
    cursor = request.query_params.get("cursor")
    async with web.reading(request) as (tx, caller):
        page = await queries.show(tx, caller, _id(request), cursor)
    only_revisions = web.is_fragment(request) and request.headers.get("hx-target") == _REVISIONS
    template = "device/config/_revisions.html" if only_revisions else "device/config/page.html"
    return web.render(request, template, page)


async def check(request: Request) -> Response:
    """Say what saving would do, while somebody types."""
    form = await web.form_of(request)
    async with web.reading(request) as (tx, caller):
        page = await queries.check(tx, caller, _id(request), form.text("digest"), form.text("own"))
    return web.render(request, "device/config/_check.html", page)


async def save(request: Request) -> Response:
    """Put the text in the place of the device's own layer, unless somebody else was faster."""
    form = await web.form_of(request)
    digest, text = form.text("digest"), form.text("own")
    async with web.writing(request) as (tx, caller):
        checked = await queries.check(tx, caller, _id(request), digest, text)
        other = saved = None
        if not checked.wrong:
            seen = _number(form.text("revision"), "/revision")
            other = await queries.conflict(tx, caller, _id(request), seen, digest, text)
            if other is None:
                device = await devices.get(tx, caller, _id(request), needs=Scope.CONFIG_WRITE)
                own = queries.document_of(text)
                saved = await config.replace_own(tx, caller, device.ref, own, if_match=digest)
    if other is not None:
        return web.render(request, "device/config/_conflict.html", other, status=412)
    if saved is None:
        headers = {"HX-Retarget": "#config-check", "HX-Reswap": "innerHTML"}
        return web.render(
            request, "device/config/_check.html", checked, status=422, headers=headers
        )
    if not checked.changes and saved.revision == seen:
        return web.go(request, _tab(request), "Nothing was changed.", kind="info")
    return web.go(request, _tab(request), f"Saved as revision {saved.revision}.")


async def compare(request: Request) -> Response:
    """Show two revisions beside each other."""
    async with web.reading(request) as (tx, caller):
        device = await devices.get(tx, caller, _id(request), needs=Scope.CONFIG_READ)
        asked = request.query_params
        before, after = (_number(asked.get(name, ""), f"/{name}") for name in ("a", "b"))
        page = await queries.compare(tx, caller, device.id, before, after)
    return web.render(request, "device/config/compare.html", page)


async def roll_back(request: Request) -> Response:
    """Make a new revision that is as an earlier one was."""
    form = await web.form_of(request)
    async with web.writing(request) as (tx, caller):
        device = await devices.get(tx, caller, _id(request), needs=Scope.CONFIG_WRITE)
        wanted = _number(form.text("revision"), "/revision")
        digest = form.text("digest") or None
        made = await config.roll_back(tx, caller, device.ref, wanted, if_match=digest)
    return web.go(request, _tab(request), f"Revision {made.revision} is as {wanted} was.")


async def set_secret(request: Request) -> Response:
    """Set a secret; it is not shown again."""
    form = await web.form_of(request)
    async with web.writing(request) as (tx, caller):
        device = await devices.get(tx, caller, _id(request), needs=Scope.CONFIG_WRITE)
        if not form.text("value"):
            raise invalid("/value", "type the secret")
        where = form.text("where").strip()
        patch = await queries.secret_patch(tx, caller, device.id, where, form.text("value"))
        await config.change(tx, caller, device.ref, patch, if_match=None)
    return web.go(request, _tab(request), f"{where} is set.")


async def remove_secret(request: Request) -> Response:
    """Take a secret away: the device then runs without it, whatever the layers below say."""
    form = await web.form_of(request)
    async with web.writing(request) as (tx, caller):
        device = await devices.get(tx, caller, _id(request), needs=Scope.CONFIG_WRITE)
        where = form.text("where")
        patch = await queries.secret_patch(tx, caller, device.id, where, None)
        await config.change(tx, caller, device.ref, patch, if_match=None)
    return web.go(request, _tab(request), f"{where} is taken away.")
