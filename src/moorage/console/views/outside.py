"""Signing in by a provider of identities, and connecting the own account with it.

What is to hold on the way back lies in a cookie, sealed: nobody but this browser can finish what it
began, and whichever server it comes back to can read it.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from moorage.console import signing_in, web
from moorage.core import accounts
from moorage.core.accounts import Admission, Identity, IdentityProvider, Pending
from moorage.core.errors import DomainError, Kind, not_found
from moorage.kit.clock import to_ms
from moorage.storage import WrongKeys

_COOKIE = "moorage_outside"
_PATH = "/console/sign-in"
_BACK = "/console/sign-in/back"
_ACCOUNT = "/console/account"
_WITHIN = timedelta(minutes=10)
_LONGEST = 4096


async def begin(request: Request) -> Response:
    """Send the browser to the provider."""
    to = signing_in.next_of(request.query_params.get("next", ""))
    address, kept = await _begin(request, {"next": to})
    return _keep(request, RedirectResponse(address, 303), kept)


async def begin_link(request: Request) -> Response:
    """Send somebody signed in to the provider, to connect the account with it."""
    _provider(request)
    session, checked = web.session_of(request), await web.password_shown(request)
    async with web.writing(request) as (tx, _caller):
        is_shown = await accounts.show_password(tx, session, checked)
    if not is_shown:
        raise accounts.password_wrong()
    address, kept = await _begin(request, {"session": session.id})
    return _keep(request, web.go(request, address), kept)


async def unlink(request: Request) -> Response:
    """Sign in by the provider no more."""
    provider, _ = _provider(request)
    session, checked = web.session_of(request), await web.password_shown(request)
    async with web.writing(request) as (tx, _caller):
        done = await accounts.unlink_identity(tx, session, checked, provider.issuer)
    if not done:
        raise accounts.password_wrong()
    return web.go(request, _ACCOUNT, "Not connected any more; sign in with your password.")


async def come_back(request: Request) -> Response:
    """Take whom the provider sends back: sign in, or connect."""
    provider, admission = _provider(request)
    db = web.console_of(request).services.db
    kept = await _kept(request)
    pending = Pending(kept["state"], kept["nonce"], kept["verifier"])
    answer = dict(request.query_params)
    identity = await provider.finish(pending, _redirect_uri(request), answer)
    if "session" in kept:
        response = await _link(request, kept["session"], identity)
    else:
        async with db.write() as tx:
            made = await accounts.sign_in_from_outside(
                tx, identity, admission, web.origin_of(request)
            )
        response = signing_in.keep(request, web.go(request, kept["next"]), made)
    response.delete_cookie(_COOKIE, path=_PATH, httponly=True, samesite="lax")
    return response


async def _link(request: Request, session_id: str, identity: Identity) -> Response:
    async with web.console_of(request).services.db.write() as tx:
        session = await accounts.find_session(tx, request.cookies.get(web.COOKIE, ""))
        if session is None or session.id != session_id:
            raise web.session_over()
        await accounts.link_identity(tx, session, identity)
    return web.go(request, _ACCOUNT, "Connected: you can sign in that way from now on.")


def _provider(request: Request) -> tuple[IdentityProvider, Admission]:
    services = web.console_of(request).services
    if services.identity_provider is None or services.admission is None:
        raise not_found("provider of identities; the server's setting oidc names one")
    return services.identity_provider, services.admission


def _redirect_uri(request: Request) -> str:
    return web.console_of(request).services.public_url + _BACK


async def _begin(request: Request, purpose: Mapping[str, str]) -> tuple[str, str]:
    """Return the address to go to, and the text to keep until the browser is back."""
    provider, _ = _provider(request)
    address, pending = await provider.begin(_redirect_uri(request))
    async with web.console_of(request).services.db.read() as tx:
        parts = {"state": pending.state, "nonce": pending.nonce, "verifier": pending.verifier}
        until = to_ms(tx.now + _WITHIN)
        return address, tx.vault.seal({"sign_in": {**parts, **purpose}, "until": until})


def _keep(request: Request, response: Response, kept: str) -> Response:
    response.set_cookie(
        _COOKIE,
        kept,
        max_age=int(_WITHIN.total_seconds()),
        path=_PATH,
        httponly=True,
        # The provider sends the browser back by a link, with which a strict cookie would not go.
        samesite="lax",
        secure=web.console_of(request).services.public_url.startswith("https:"),
    )
    return response


async def _kept(request: Request) -> dict[str, Any]:
    text = request.cookies.get(_COOKIE, "")
    async with web.console_of(request).services.db.read() as tx:
        try:
            found = tx.vault.open(text[:_LONGEST])
        except WrongKeys:
            found = None
        is_ours = isinstance(found, dict) and "sign_in" in found
        if found is None or not is_ours or found["until"] < to_ms(tx.now):
            raise DomainError(
                Kind.FORBIDDEN,
                "sign_in_not_begun",
                "this sign-in was not begun in this browser, or too long ago; begin anew",
            )
    kept: dict[str, Any] = found["sign_in"]
    return kept
