"""Before anybody is signed in: password, code, and the first set-up."""

from starlette.requests import Request
from starlette.responses import Response

from moorage.console import signing_in, web
from moorage.console.contexts.entrance import SecondStep, SignIn
from moorage.core import accounts

_WRONG = "E-mail address or password is wrong, or too many tries were made; wait a little."
_CODE_WRONG = "This code is wrong, was used already, or too many tries were made."


async def show_sign_in(request: Request) -> Response:
    """Show the form."""
    to = signing_in.next_of(request.query_params.get("next", ""))
    return web.render(request, "entrance/sign_in.html", SignIn(to))


async def sign_in(request: Request) -> Response:
    """Take a password; the answer does not tell which accounts there are."""
    form = await web.form_of(request)
    to, email = signing_in.next_of(form.text("next")), form.text("email")
    console = web.console_of(request)
    async with console.services.db.read() as tx:
        attempt = await accounts.begin_sign_in(tx, email, web.origin_of(request))
    checked = await console.passwords.check(attempt, form.text("password"))
    async with console.services.db.write() as tx:
        made = await accounts.sign_in(tx, checked)
    if made is None:
        return web.render(request, "entrance/sign_in.html", SignIn(to, email, _WRONG), status=403)
    if isinstance(made, accounts.SecondStep):
        return web.render(request, "entrance/code.html", SecondStep(to, made.text))
    return signing_in.keep(request, web.go(request, to), made)


async def sign_in_with_code(request: Request) -> Response:
    """Take the code of a second factor, or one for recovery."""
    form = await web.form_of(request)
    to, text = signing_in.next_of(form.text("next")), form.text("step")
    async with web.console_of(request).services.db.write() as tx:
        made = await accounts.finish_sign_in(tx, text, form.text("code"), web.origin_of(request))
    if made is None:
        page = SecondStep(to, text, _CODE_WRONG)
        return web.render(request, "entrance/code.html", page, status=403)
    return signing_in.keep(request, web.go(request, to), made)


async def show_set_up(request: Request) -> Response:
    """Show the form of the first set-up; the link's text stands behind ``#`` and is not sent."""
    return web.render(request, "entrance/set_up.html")


async def set_up(request: Request) -> Response:
    """Make the first account, and its workspace."""
    form = await web.form_of(request)
    console = web.console_of(request)
    async with console.services.db.read() as tx:
        await accounts.check_link(tx, form.text("token"), accounts.LinkKind.SET_UP)
    hashed = await console.passwords.hash(form.text("password"), email=form.text("email"))
    async with console.services.db.write() as tx:
        made = await accounts.redeem_set_up(
            tx,
            form.text("token"),
            email=form.text("email"),
            name=form.text("name"),
            hashed=hashed,
            origin=web.origin_of(request),
            workspace=form.text("workspace") or None,
        )
    told = "Welcome. This is your fleet; add a device to begin."
    return signing_in.keep(request, web.go(request, web.HOME, told), made)
