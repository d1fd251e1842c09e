"""``/console/devices/{device_id}``: a device's head and what can be done with it."""

from starlette.requests import Request
from starlette.responses import Response

from moorage.console import web
from moorage.console.queries import device as queries
from moorage.core import devices, provisioning
from moorage.core.caller import Scope
from moorage.core.devices import Approval, Changes
from moorage.core.errors import invalid
from moorage.kit.unset import UNSET

_FLEET = "/console/devices"


def path_of(request: Request) -> str:
    """Return the address of the page of the device a request is about."""
    return f"{_FLEET}/{request.path_params['device_id']}"


async def state(request: Request) -> Response:
    """Show anew what of the head changes by itself."""
    async with web.reading(request) as (tx, caller):
        page = await queries.state(tx, caller, request.path_params["device_id"])
    return web.render(request, "device/_state.html", page)


async def edit(request: Request) -> Response:
    """Change name, type, tags and reference; what the form does not hold stays."""
    form = await web.form_of(request)
    changes = Changes(
        name=form.text("name") if "name" in form else UNSET,
        type=form.text("type") if "type" in form else UNSET,
        reference=form.text("reference").strip() or None if "reference" in form else UNSET,
        tags=_tags(form.text("tags")) if "tags" in form else UNSET,
    )
    async with web.writing(request) as (tx, caller):
        await devices.update(tx, caller, request.path_params["device_id"], changes)
    return web.go(request, path_of(request), "Changed.")


def _tags(text: str) -> list[str]:
    return [tag for tag in (part.strip() for part in text.split(",")) if tag]


async def set_approval(request: Request) -> Response:
    """Let the device in, or not."""
    wanted = (await web.form_of(request)).text("approval")
    async with web.writing(request) as (tx, caller):
        device_id = request.path_params["device_id"]
        device = await devices.get(tx, caller, device_id, needs=Scope.DEVICE_UPDATE)
        if wanted not in ("approved", "rejected"):
            raise invalid("/approval", "a device is approved or rejected")
        await provisioning.set_approval(tx, caller, device.id, Approval(wanted))
    told = "Approved: its key works now." if wanted == "approved" else "Rejected."
    return web.go(request, path_of(request), told)


async def release(request: Request) -> Response:
    """Let its hardware enrol anew into the record, once."""
    async with web.writing(request) as (tx, caller):
        await provisioning.release(tx, caller, request.path_params["device_id"])
    return web.go(request, path_of(request), "Released: its hardware may enrol anew, once.")


async def retire(request: Request) -> Response:
    """End the device."""
    async with web.writing(request) as (tx, caller):
        await provisioning.retire(tx, caller, request.path_params["device_id"])
    return web.go(request, _FLEET, "The device is retired; its next report is answered so.")
