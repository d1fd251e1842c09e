"""``/console/devices/add``: a device is made, and waited for until it is there."""

from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from moorage.console import web
from moorage.console.contexts.add import Command
from moorage.console.queries import add as queries
from moorage.console.web import Form
from moorage.core import devices, provisioning, virtual
from moorage.core.errors import invalid
from moorage.core.provisioning import Policy

_PAGE = "/console/devices/add"
_DAYS_OFFLINE = 365
_DAYS_30_S = 30 * 86_400
_NOTHING_NEW = 204


async def show(request: Request) -> Response:
    """Show the form; a tab is asked for with all that was typed in another."""
    async with web.reading(request) as (_, caller):
        public_url = web.console_of(request).services.public_url
        page = queries.show(caller, queries.typed(request.query_params), public_url)
    name = "add/_add.html" if web.is_fragment(request) else "add/page.html"
    return web.render(request, name, page, headers={"Vary": "HX-Request"})


async def make(request: Request) -> Response:
    """Make a device, and what sets it up: a line to paste, or a file for one without a network."""
    form = await web.form_of(request)
    services = web.console_of(request).services
    async with web.writing(request) as (tx, caller):
        made = await provisioning.register(
            tx,
            caller,
            name=form.text("name"),
            type=queries.default_type(form.text("type")),
            tags=form.listed("tags"),
            reference=form.text("reference").strip() or None,
            expires_in=timedelta(seconds=services.install_token_expires_s),
        )
        device = made.device
        if form.text("how") == queries.OFFLINE:
            payload = await provisioning.new_offline_payload(
                tx,
                caller,
                device.id,
                services.signer,
                server=services.public_url,
                expires_in=timedelta(days=_days(form)),
            )
            bundle = queries.bundle(device, payload)
            page = await queries.setup(tx, caller, device.id, how=queries.OFFLINE, bundle=bundle)
        else:
            line = queries.command(device.id, made.install_token, services.address, tx.now)
            page = await queries.setup(tx, caller, device.id, how=queries.LINUX, command=line)
    fragment = web.is_fragment(request)
    to = f"{_PAGE}/{device.id}" + ("?how=offline" if page.how == queries.OFFLINE else "")
    name = "add/_setup.html" if fragment else "add/setup.html"
    return web.render(request, name, page, headers={"HX-Push-Url": to} if fragment else {})


def _days(form: Form) -> int:
    days = form.whole("days")
    return _DAYS_OFFLINE if days is None else days


async def setup(request: Request) -> Response:
    """Show a device that is being set up; secrets of an earlier answer are shown no more."""
    how = request.query_params.get("how", "")
    async with web.reading(request) as (tx, caller):
        page = await queries.setup(tx, caller, request.path_params["device_id"], how=how)
    name = "add/_setup.html" if web.is_fragment(request) else "add/setup.html"
    return web.render(request, name, page, headers={"Vary": "HX-Request"})


async def waiting(request: Request) -> Response:
    """Show what the server has seen of the device since it was asked last, if anything."""
    async with web.reading(request) as (tx, caller):
        page = await queries.waiting(tx, caller, request.path_params["device_id"])
    if request.query_params.get("seen") == page.stamp:
        return Response(status_code=_NOTHING_NEW)
    return web.render(request, "add/_waiting.html", page)


async def command(request: Request) -> Response:
    """Make a fresh line to paste; the one before works no more."""
    services = web.console_of(request).services
    async with web.writing(request) as (tx, caller):
        device_id = request.path_params["device_id"]
        expires_in = timedelta(seconds=services.install_token_expires_s)
        token = await provisioning.new_install_token(tx, caller, device_id, expires_in=expires_in)
        page = queries.command(device_id, token, services.address, tx.now)
    return web.render(request, "add/_command.html", page)


async def command_over(request: Request) -> Response:
    """Show what stands in the place of a line that has expired."""
    async with web.reading(request) as (tx, caller):
        device = await devices.get(tx, caller, request.path_params["device_id"])
    return web.render(request, "add/_command.html", Command(device.id, over=True))


async def bundle(request: Request) -> Response:
    """Make a fresh payload for a device without a network; the one before works no more."""
    form = await web.form_of(request)
    services = web.console_of(request).services
    async with web.writing(request) as (tx, caller):
        device_id = request.path_params["device_id"]
        payload = await provisioning.new_offline_payload(
            tx,
            caller,
            device_id,
            services.signer,
            server=services.public_url,
            expires_in=timedelta(days=_days(form)),
        )
        page = queries.bundle(await devices.get(tx, caller, device_id), payload)
    return web.render(request, "add/_bundle.html", page)


async def token(request: Request) -> Response:
    """Make a token that many devices come with."""
    form = await web.form_of(request)
    address = web.console_of(request).services.address
    async with web.writing(request) as (tx, caller):
        made = await provisioning.create_token(
            tx,
            caller,
            name=form.text("name"),
            expires_in=lifetime(form),
            max_uses=form.whole("max_uses"),
            policy=_policy(form),
            tags=form.listed("tags"),
            device_type=form.text("type").strip() or None,
        )
        page = queries.token_made(made, address, tx.now)
    return web.render(request, "add/_token.html", page)


def lifetime(form: Form) -> timedelta | None:
    """Return how long something is to live, None for ever. Raises DomainError ``invalid``."""
    if form.text("expires") == queries.NEVER:
        return None
    seconds = form.whole("expires")
    return timedelta(seconds=_DAYS_30_S if seconds is None else seconds)


def _policy(form: Form) -> Policy:
    text = form.text("policy") or Policy.REJECT
    if text not in set(Policy):
        raise invalid("/policy", f"a policy is one of {', '.join(Policy)}")
    return Policy(text)


async def token_uses(request: Request) -> Response:
    """Show how many devices came with a token since it was asked last, if that changed."""
    async with web.reading(request) as (tx, caller):
        page = await queries.token_uses(tx, caller, request.path_params["token_id"])
    if request.query_params.get("seen") == page.stamp:
        return Response(status_code=_NOTHING_NEW)
    return web.render(request, "add/_uses.html", page)


async def make_virtual(request: Request) -> Response:
    """Make virtual devices, which this server plays itself."""
    form = await web.form_of(request)
    count, seed = form.whole("count"), form.whole("seed")
    async with web.writing(request) as (tx, caller):
        made = await virtual.create(
            tx,
            caller,
            count=1 if count is None else count,
            profile=form.text("profile") or virtual.PROFILES[0],
            name=form.text("name").strip() or None,
            seed=1 if seed is None else seed,
        )
    if len(made) == 1:
        device = made[0].device
        return web.go(request, f"/console/devices/{device.id}", "It reports from here on.")
    told = f"{len(made)} virtual devices report from here on."
    return web.go(request, "/console/devices?tag=virtual", told)
