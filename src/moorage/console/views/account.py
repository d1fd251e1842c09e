"""The session itself: what it is, where it is at work, its end; and the account it is of."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from moorage.console import signing_in, web
from moorage.console.queries import account as queries
from moorage.core import accounts
from moorage.core.errors import invalid

_MODES = {"live": True, "test": False}
_PAGE = "/console/account"
_SECOND_FACTOR = "account/_second_factor.html"


async def session(request: Request) -> Response:
    """Say the token of this session: for a page from before somebody signed in again."""
    return JSONResponse({"csrf": web.session_of(request).csrf})


async def places(request: Request) -> Response:
    """Show the workspaces and modes to switch to."""
    current = web.session_of(request)
    async with web.reading(request) as (tx, _):
        found = await accounts.places(tx, current.account)
    return web.render(request, "account/_places.html", found)


async def switch(request: Request) -> Response:
    """Go on in another workspace or mode."""
    form = await web.form_of(request)
    mode = form.text("mode") or None
    if mode is not None and mode not in _MODES:
        raise invalid("/mode", "a mode is live or test")
    async with web.writing(request) as (tx, _):
        await accounts.switch(
            tx,
            web.session_of(request),
            workspace_id=form.text("workspace") or None,
            live=None if mode is None else _MODES[mode],
        )
    return web.go(request, web.HOME)


async def sign_out(request: Request) -> Response:
    """End the session."""
    async with web.writing(request) as (tx, _):
        await accounts.end_session(tx, web.session_of(request))
    return signing_in.forget(web.go(request, signing_in.SIGN_IN))


async def back(request: Request) -> Response:
    """Say to whoever signed in again in a tab of its own that the other one goes on."""
    return web.render(request, "account/back.html")


# --- the account


async def show(request: Request) -> Response:
    """Show the own account."""
    provider = web.console_of(request).services.identity_provider
    async with web.reading(request) as (tx, _):
        page = await queries.show(tx, web.session_of(request), provider)
    return web.render(request, "account/page.html", page)


async def rename(request: Request) -> Response:
    """Change the name that others read."""
    form = await web.form_of(request)
    async with web.writing(request) as (tx, _):
        await accounts.rename(tx, web.session_of(request), form.text("name"))
    return web.go(request, _PAGE, "Saved.")


async def change_password(request: Request) -> Response:
    """Set a new password; all other sessions end."""
    form, session = await web.form_of(request), web.session_of(request)
    checked = await web.password_shown(request)
    passwords = web.console_of(request).passwords
    hashed = await passwords.hash(form.text("password"), email=session.account.email)
    async with web.writing(request) as (tx, _):
        done = await accounts.change_password(tx, session, checked, hashed)
    if not done:
        raise accounts.password_wrong()
    return web.go(request, _PAGE, "The password is changed; you are signed out everywhere else.")


async def begin_second_factor(request: Request) -> Response:
    """Show what an authenticator app is to be given."""
    session = web.session_of(request)
    checked = await web.password_shown(request)
    async with web.writing(request) as (tx, _):
        enrolment = await accounts.begin_totp(tx, session, checked)
    if enrolment is None:
        raise accounts.password_wrong()
    return web.render(request, _SECOND_FACTOR, queries.offered(session, enrolment))


async def confirm_second_factor(request: Request) -> Response:
    """Put it in force by a code of it, and show the recovery codes."""
    form, session = await web.form_of(request), web.session_of(request)
    async with web.writing(request) as (tx, _):
        codes = await accounts.confirm_totp(tx, session, form.text("code"))
        page = await queries.second_factor(tx, session, is_on=True, codes=codes)
    told = "The second factor is on; you are signed out everywhere else."
    return web.tell(web.render(request, _SECOND_FACTOR, page), told)


async def remove_second_factor(request: Request) -> Response:
    """Go without it."""
    session = web.session_of(request)
    checked = await web.password_shown(request)
    async with web.writing(request) as (tx, _):
        done = await accounts.remove_totp(tx, session, checked)
    if not done:
        raise accounts.password_wrong()
    return web.go(request, _PAGE, "The second factor is off.", kind="warning")


async def renew_recovery_codes(request: Request) -> Response:
    """Make new recovery codes and show them."""
    session = web.session_of(request)
    checked = await web.password_shown(request)
    async with web.writing(request) as (tx, _):
        codes = await accounts.renew_recovery_codes(tx, session, checked)
        page = await queries.second_factor(tx, session, is_on=True, codes=codes or ())
    if codes is None:
        raise accounts.password_wrong()
    told = "These are your recovery codes now; those before are void."
    return web.tell(web.render(request, _SECOND_FACTOR, page), told)


async def end_session(request: Request) -> Response:
    """Sign out another browser."""
    async with web.writing(request) as (tx, _):
        session_id = request.path_params["session_id"]
        await accounts.end_session(tx, web.session_of(request), session_id)
    return web.go(request, _PAGE, "Signed out there.")


async def end_other_sessions(request: Request) -> Response:
    """Sign out everywhere but here."""
    async with web.writing(request) as (tx, _):
        await accounts.end_all(tx, web.session_of(request), but_this=True)
    return web.go(request, _PAGE, "You are signed out everywhere else.")


async def accept_invitation(request: Request) -> Response:
    """Join the workspace of an invitation."""
    form = await web.form_of(request)
    async with web.writing(request) as (tx, _):
        await accounts.accept_invite(tx, web.session_of(request), form.text("token"))
    return web.go(request, web.HOME, "You have joined the workspace.")
