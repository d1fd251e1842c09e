"""From a cookie to somebody signed in, before any view runs; and what an unsafe request must prove.

Three locks against other sites: the cookie goes along with their links only (SameSite=Lax), an
unsafe request brings the session's own token, and a browser that says where a request began must
not name another site. And one against people's own tabs: a page says which workspace and mode it is
of, and changes nothing once its session went on elsewhere.
"""

import contextlib
import hmac
from collections.abc import Awaitable, Callable
from typing import TypeAlias
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from moorage.console import nav
from moorage.console.contexts.shell import Shell
from moorage.console.web import (
    COOKIE,
    HOME,
    console_of,
    form_of,
    is_fragment,
    place_changed,
    session_over,
    told_before,
)
from moorage.core import accounts, workspaces
from moorage.core.accounts import NewSession, Session
from moorage.core.errors import DomainError, Kind
from moorage.storage import StorageError, Tx

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]

SIGN_IN = "/console/sign-in"
_SAFE = frozenset({"GET", "HEAD"})
_LONGEST_NEXT = 2_000
# Good from a page of anywhere: they lead out of the place, and out of the session.
_ANYWHERE = frozenset({"/console/switch", "/console/sign-out"})
_LONGEST_PLACE = 100


def signed_in(endpoint: Endpoint) -> Endpoint:
    """Let nobody through to a view but who is signed in, and nothing unsafe without its token."""

    async def guarded(request: Request) -> Response:
        services = console_of(request).services
        async with services.db.read() as tx:
            session = await accounts.find_session(tx, request.cookies.get(COOKIE, ""))
            if session is None:
                return _to_sign_in(request)
            shell = await _shell(tx, request, session)
            is_to_note = session.is_to_note(tx.now)
        request.state.session, request.state.shell = session, shell
        if request.method not in _SAFE:
            _check_site(request)
            await _check_token(request, session)
            await _check_place(request, shell)
        if is_to_note:
            # A database that takes no writes can still be looked at; then it is noted another time.
            with contextlib.suppress(StorageError):
                async with services.db.write() as tx:
                    await accounts.note_use(tx, session)
        return await endpoint(request)

    return guarded


def open_to_all(endpoint: Endpoint) -> Endpoint:
    """Let everybody through, but no unsafe request that another site made the browser send."""

    async def guarded(request: Request) -> Response:
        if request.method not in _SAFE:
            _check_site(request)
        return await endpoint(request)

    return guarded


def keep(request: Request, response: Response, made: NewSession) -> Response:
    """Give the browser its session. It lies where no script reaches it and no dialect sees it."""
    response.set_cookie(
        COOKIE,
        made.text,
        max_age=int(accounts.SESSION_LONGEST.total_seconds()),
        path="/console",
        httponly=True,
        samesite="lax",
        secure=console_of(request).services.public_url.startswith("https:"),
    )
    return response


def forget(response: Response) -> Response:
    """Take the session from the browser."""
    response.delete_cookie(COOKIE, path="/console", httponly=True, samesite="lax")
    return response


def next_of(text: str) -> str:
    """Return where to go after signing in: a page of ours that was asked for, else the first."""
    is_ours = text.startswith("/console/") and "\\" not in text and text.isprintable()
    return text if is_ours and len(text) <= _LONGEST_NEXT else HOME


def _to_sign_in(request: Request) -> Response:
    if is_fragment(request) or request.method not in _SAFE:
        raise session_over()
    if request.headers.get("accept", "").startswith("text/event-stream"):
        return Response(status_code=401)
    wanted = request.url.path + ("?" + request.url.query if request.url.query else "")
    to = SIGN_IN if wanted in ("/console", HOME) else f"{SIGN_IN}?next={quote(wanted, safe='')}"
    return RedirectResponse(to, 303)


async def _shell(tx: Tx, request: Request, session: Session) -> Shell:
    workspace = await workspaces.get(tx, session.workspace_id)
    return Shell(
        name=session.account.name,
        email=session.account.email,
        role=str(session.role),
        workspace_name=workspace.name,
        workspace_slug=workspace.slug,
        live=session.live,
        csrf=session.csrf,
        nav=nav.items(request.url.path, session.caller, console_of(request).paths),
        told=told_before(request),
        public_url=console_of(request).services.public_url,
        now=tx.now,
        path=request.url.path,
    )


async def _check_token(request: Request, session: Session) -> None:
    given = request.headers.get("x-csrf-token") or (await form_of(request)).text("csrf")
    if not hmac.compare_digest(given.encode(), session.csrf.encode()):
        raise DomainError(
            Kind.FORBIDDEN,
            "csrf_token_wrong",
            "this page is from before you signed in last; load it again, then repeat what you did",
        )


async def _check_place(request: Request, shell: Shell) -> None:
    """Refuse what a page of another workspace or mode sent. One that names none is of any."""
    given = request.headers.get("x-moorage-place")
    if given is None and "x-csrf-token" not in request.headers:
        given = (await form_of(request)).text("place")
    if not given or given == shell.place or request.url.path in _ANYWHERE:
        return
    slug, _, mode = given[:_LONGEST_PLACE].rpartition(":")
    now = f"{shell.workspace_slug} in {'live' if shell.live else 'test'} mode"
    raise place_changed(f"this page is of {slug} in {mode} mode; you are in {now} now")


def _check_site(request: Request) -> None:
    """Refuse what began on another site, as far as the browser says so."""
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is not None:
        is_other = site not in ("same-origin", "none")
    else:
        own = {request.url.netloc, urlsplit(console_of(request).services.public_url).netloc}
        is_other = origin is not None and urlsplit(origin).netloc not in own
    if is_other:
        raise DomainError(
            Kind.FORBIDDEN,
            "another_site",
            "this request was begun by another site and was not carried out; do it in the console",
        )
