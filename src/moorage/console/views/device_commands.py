"""``/console/devices/{device_id}/commands``: what a device is asked to do, and what came of it."""

from collections.abc import Mapping
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from moorage.console import web
from moorage.console.queries import device_commands as queries
from moorage.core import commands, devices
from moorage.core.errors import invalid
from moorage.kit.text import clean_text

_LIST = "device/commands/_list.html"


async def show(request: Request) -> Response:
    """Show the commands, and what can be sent."""
    device_id = request.path_params["device_id"]
    cursor, chosen = (request.query_params.get(name) for name in ("cursor", "command"))
    chosen = None if chosen is None else clean_text(chosen)
    async with web.reading(request) as (tx, caller):
        if web.is_fragment(request):
            part = await queries.listed(tx, caller, device_id, cursor=cursor, chosen=chosen)
            return web.render(request, _LIST, part)
        page = await queries.show(tx, caller, device_id, cursor=cursor, chosen=chosen)
    return web.render(request, "device/commands/page.html", page)


async def draft(request: Request) -> Response:
    """Show what a kind of command asks for; with ``copy`` only its spellings."""
    typed = {name: clean_text(value) for name, value in request.query_params.items()}
    async with web.reading(request) as (tx, caller):
        device_id = request.path_params["device_id"]
        page = await queries.draft_of(tx, caller, device_id, {"kind": "ping", **typed})
    name = "_copy.html" if "copy" in typed else "_draft.html"
    return web.render(request, f"device/commands/{name}", page)


async def send(request: Request) -> Response:
    """Queue a command."""
    form = await web.form_of(request)
    device_id = request.path_params["device_id"]
    typed = {name: form.text(name) for name in form.names()}
    async with web.writing(request) as (tx, caller):
        device = await devices.get(tx, caller, device_id)
        sent = await commands.send(
            tx,
            caller,
            device.ref,
            kind=form.text("kind"),
            arguments=queries.arguments_of(typed),
            expires_in=_lifetime(typed),
        )
        page = await queries.listed(tx, caller, device_id, cursor=None)
    told = f"{sent.kind} is queued; the device gets it with its next report."
    return web.tell(web.render(request, _LIST, page), told)


async def cancel(request: Request) -> Response:
    """Take a command back."""
    device_id, command_id = (request.path_params[name] for name in ("device_id", "command_id"))
    async with web.writing(request) as (tx, caller):
        device = await devices.get(tx, caller, device_id)
        gone = await commands.cancel(tx, caller, device.ref, command_id)
        page = await queries.listed(tx, caller, device_id, cursor=None)
    told = "Cancelled; it was delivered already, so it may still run."
    if gone.delivered_at is None:
        told = "Cancelled."
    return web.tell(web.render(request, _LIST, page), told)


def _lifetime(typed: Mapping[str, str]) -> timedelta:
    text = typed.get("expires_in_s", "3600")
    if text not in queries.LIFETIMES:
        raise invalid("/expires_in_s", f"choose one of {', '.join(queries.LIFETIMES.values())}")
    return timedelta(seconds=int(text))
