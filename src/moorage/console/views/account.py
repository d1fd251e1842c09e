"""The session itself: what it is, where it is at work, its end."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from moorage.console import signing_in, web
from moorage.core import accounts
from moorage.core.errors import invalid

_MODES = {"live": True, "test": False}


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
