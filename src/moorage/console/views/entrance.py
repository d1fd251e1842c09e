"""Before anybody is signed in: password, code, the first set-up, links that let somebody in."""

from starlette.requests import Request
from starlette.responses import Response

from moorage.console import signing_in, web
from moorage.console.contexts.entrance import Invitation, SecondStep, SetUp, SignIn
from moorage.core import accounts, workspaces
from moorage.core.accounts import LinkKind

_WRONG = "E-mail address or password is wrong, or too many tries were made; wait a little."
_ANOTHER_SET_UP = "On the server: moorage admin set-up-link."
_CODE_WRONG = "This code is wrong, was used already, or too many tries were made."


async def show_sign_in(request: Request) -> Response:
    """Show the form."""
    query = request.query_params
    to = signing_in.next_of(query.get("next", ""))
    page = SignIn(to, password_was_set="set" in query, outside=_outside(request))
    return web.render(request, "entrance/sign_in.html", page)


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
        page = SignIn(to, email, _WRONG, outside=_outside(request))
        return web.render(request, "entrance/sign_in.html", page, status=403)
    if isinstance(made, accounts.SecondStep):
        return web.render(request, "entrance/code.html", SecondStep(to, made.text))
    return signing_in.keep(request, web.go(request, to), made)


def _outside(request: Request) -> str | None:
    provider = web.console_of(request).services.identity_provider
    return None if provider is None else provider.title


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


async def look_at_set_up(request: Request) -> Response:
    """Show the form that goes with a link, or that it is none."""
    form = await web.form_of(request)
    async with web.console_of(request).services.db.read() as tx:
        link = await accounts.find_link(tx, form.text("token"), LinkKind.SET_UP)
        if link is None:
            return web.render(request, "entrance/_link_spent.html", _ANOTHER_SET_UP)
        workspace = await accounts.suggested_workspace(tx, link)
    page = SetUp(workspace, accounts.SHORTEST_PASSWORD)
    return web.render(request, "entrance/_set_up.html", page)


async def set_up(request: Request) -> Response:
    """Make the first account, and its workspace."""
    form = await web.form_of(request)
    console = web.console_of(request)
    async with console.services.db.read() as tx:
        await accounts.check_link(tx, form.text("token"), LinkKind.SET_UP)
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


# --- invitations


async def show_invitation(request: Request) -> Response:
    """Show the page of an invitation, which asks for what it is to once it has the link's text."""
    return web.render(request, "entrance/invitation.html")


async def look_at_invitation(request: Request) -> Response:
    """Show what an invitation is to, and how it can be accepted."""
    form = await web.form_of(request)
    async with web.console_of(request).services.db.read() as tx:
        link = await accounts.find_link(tx, form.text("token"), LinkKind.INVITE)
        if link is None or link.workspace_id is None:
            return web.render(request, "entrance/_link_spent.html")
        session = await accounts.find_session(tx, request.cookies.get(web.COOKIE, ""))
        page = Invitation(
            workspace=(await workspaces.get(tx, link.workspace_id)).name,
            role=str(link.role),
            email=link.email or "",
            has_account=await accounts.has_account(tx, link),
            shortest_password=accounts.SHORTEST_PASSWORD,
            signed_in_as=None if session is None else session.account.email,
            csrf="" if session is None else session.csrf,
        )
    return web.render(request, "entrance/_invitation.html", page)


async def accept_invitation(request: Request) -> Response:
    """Make the account an invitation is for."""
    form, console = await web.form_of(request), web.console_of(request)
    token = form.text("token")
    async with console.services.db.read() as tx:
        link = await accounts.check_link(tx, token, LinkKind.INVITE)
    hashed = await console.passwords.hash(form.text("password"), email=link.email)
    async with console.services.db.write() as tx:
        made = await accounts.redeem_invite(
            tx, token, name=form.text("name"), hashed=hashed, origin=web.origin_of(request)
        )
    return signing_in.keep(request, web.go(request, web.HOME, "Welcome."), made)


# --- a new password


async def show_new_password(request: Request) -> Response:
    """Show the form of a link to set a new password."""
    return web.render(request, "entrance/password.html")


async def set_new_password(request: Request) -> Response:
    """Set it; signing in, second factor included, follows."""
    form, console = await web.form_of(request), web.console_of(request)
    token = form.text("token")
    async with console.services.db.read() as tx:
        link = await accounts.check_link(tx, token, LinkKind.RESET)
    hashed = await console.passwords.hash(form.text("password"), email=link.email)
    async with console.services.db.write() as tx:
        await accounts.redeem_reset(tx, token, hashed=hashed)
    return web.go(request, f"{signing_in.SIGN_IN}?set=1")
