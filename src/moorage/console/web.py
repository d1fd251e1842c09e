"""What views share: who is signed in, transactions, forms, rendering, and where to go next."""

import base64
import binascii
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import jinja2
from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from moorage.console.contexts.shell import Shell, Told
from moorage.console.statics import Statics
from moorage.core import accounts
from moorage.core.accounts import Checked, Origin, Passwords, Session
from moorage.core.caller import Caller
from moorage.core.errors import DomainError, Kind, invalid
from moorage.dialects.common import Services
from moorage.kit.text import clean_text
from moorage.storage import Tx

COOKIE = "moorage_session"
HOME = "/console/devices"
_TOLD = "moorage_told"
_TOLD_FOR_S = 60
_LONGEST_TOLD = 600
_MOST_FIELDS = 1_000
_WHOLE = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True)
class Console:
    """The parts every view reaches by its request. ``paths`` are the templates of all routes."""

    services: Services
    templates: jinja2.Environment
    statics: Statics
    passwords: Passwords
    paths: frozenset[str]


class Form:
    """The fields of a request's urlencoded body."""

    def __init__(self, fields: Mapping[str, list[str]]) -> None:
        """Take them by name, each with all its values."""
        self._fields = fields

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def text(self, name: str, default: str = "") -> str:
        """Return a field's first value as it was typed."""
        return self._fields.get(name, [default])[0]

    def texts(self, name: str) -> list[str]:
        """Return all values of a field."""
        return list(self._fields.get(name, []))

    def listed(self, name: str) -> list[str]:
        """Return what stands in a field with commas between."""
        parts = (part.strip() for part in self.text(name).split(","))
        return [part for part in parts if part]

    def whole(self, name: str) -> int | None:
        """Return a field's whole number, None when it is empty.

        Raises:
            DomainError: ``invalid`` at the field for anything else.

        """
        text = self.text(name).strip()
        if not text:
            return None
        if not _WHOLE.fullmatch(text):
            raise invalid(f"/{name}", "a whole number of up to 9 digits goes here")
        return int(text)

    def names(self) -> list[str]:
        """Return the names of all fields, in their order."""
        return list(self._fields)


# --- who asks, and transactions


def console_of(request: Request) -> Console:
    """Return the console that a request reached."""
    console: Console = request.app.state.console
    return console


def session_of(request: Request) -> Session:
    """Return the session of whoever asks; every page but those before signing in has one."""
    session: Session = request.state.session
    return session


def origin_of(request: Request) -> Origin:
    """Return where a request comes from, for counting wrong passwords and for lists of sessions."""
    address = request.client.host if request.client else ""
    return Origin(address, clean_text(request.headers.get("user-agent", "")))


@asynccontextmanager
async def reading(request: Request) -> AsyncIterator[tuple[Tx, Caller]]:
    """Open a reading transaction for whoever is signed in."""
    async with console_of(request).services.db.read() as tx:
        yield tx, (await _still_in(tx, request)).caller


@asynccontextmanager
async def writing(request: Request) -> AsyncIterator[tuple[Tx, Caller]]:
    """Open a writing transaction for whoever is signed in; it commits at the block's end."""
    async with console_of(request).services.db.write() as tx:
        yield tx, (await _still_in(tx, request)).caller


async def _still_in(tx: Tx, request: Request) -> Session:
    """Find the session again where it counts: what was ended meanwhile changes nothing any more.

    Neither does what began in another workspace or mode than the one it would go on in.
    """
    session = await accounts.find_session(tx, request.cookies.get(COOKIE, ""))
    if session is None:
        raise session_over()
    began = session_of(request)
    if (session.workspace_id, session.live) != (began.workspace_id, began.live):
        raise place_changed("you went on in another workspace or mode while this was under way")
    return session


async def password_shown(request: Request) -> Checked | None:
    """Compare the present password as the form has it; None where the account has none."""
    console, session = console_of(request), session_of(request)
    if not session.account.has_password:
        return None
    form = await form_of(request)
    async with console.services.db.read() as tx:
        attempt = await accounts.begin_check(tx, session, origin_of(request))
    return await console.passwords.check(attempt, form.text("present"))


def session_over() -> DomainError:
    """Refuse whoever is signed in no longer."""
    return DomainError(
        Kind.UNAUTHENTICATED, "session_over", "your session is over; sign in again to go on"
    )


def place_changed(what: str) -> DomainError:
    """Refuse what is meant for the workspace or mode that the session was in before."""
    return DomainError(
        Kind.CONFLICT, "place_changed", f"{what}: load the page again, or switch back"
    )


# --- what is asked


def is_fragment(request: Request) -> bool:
    """Whether a part of a page is wanted, not a whole one."""
    headers = request.headers
    return "hx-request" in headers and "hx-history-restore-request" not in headers


async def form_of(request: Request) -> Form:
    """Return the fields of the body. Raises DomainError ``invalid`` for what is no form."""
    kept: Form | None = getattr(request.state, "form", None)
    if kept is not None:
        return kept
    try:
        text = (await request.body()).decode()
        fields = parse_qs(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise DomainError(
            Kind.INVALID,
            "malformed_body",
            f"the body is no form in UTF-8 of at most {_MOST_FIELDS} fields",
        ) from None
    # Browsers send line ends as CR LF whatever was typed.
    form = Form(
        {
            clean_text(name): [clean_text(one).replace("\r\n", "\n") for one in values]
            for name, values in fields.items()
        }
    )
    request.state.form = form
    return form


# --- what is answered


def render(
    request: Request,
    template: str,
    page: object = None,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Render a template with ``page``, its context, and ``shell``, the frame."""
    shell: Shell | None = getattr(request.state, "shell", None)
    html = console_of(request).templates.get_template(template).render(page=page, shell=shell)
    response = HTMLResponse(html, status, headers)
    if shell is not None and shell.told and not is_fragment(request):
        response.delete_cookie(_TOLD, path="/console")
    return response


def csv_file(lines: AsyncIterator[str], name: str) -> Response:
    """Hand lines of CSV out as a file of that name, as they come."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(lines, headers=headers, media_type="text/csv")


def go(request: Request, to: str, told: str | None = None, *, kind: str = "success") -> Response:
    """Lead to another page, whose top says what was done."""
    if is_fragment(request):
        response = Response(status_code=204, headers={"HX-Redirect": to})
    else:
        response = RedirectResponse(to, 303)
    if told is not None:
        raw = json.dumps([told[:_LONGEST_TOLD], kind]).encode()
        value = base64.urlsafe_b64encode(raw).decode()
        response.set_cookie(
            _TOLD, value, max_age=_TOLD_FOR_S, path="/console", httponly=True, samesite="lax"
        )
    return response


def tell(response: Response, told: str, *, kind: str = "success") -> Response:
    """Say on the page that is open what was done, beside what is swapped in."""
    return trigger(response, "moorage:told", {"text": told[:_LONGEST_TOLD], "kind": kind})


def trigger(response: Response, event: str, detail: object = None) -> Response:
    """Let an event happen in the page once the answer is there."""
    before = json.loads(response.headers.get("hx-trigger", "{}"))
    response.headers["HX-Trigger"] = json.dumps({**before, event: detail})
    return response


def told_before(request: Request) -> tuple[Told, ...]:
    """Return what the page before this one wanted said."""
    try:
        text, kind = json.loads(base64.urlsafe_b64decode(request.cookies.get(_TOLD, "")))
    except (ValueError, binascii.Error, TypeError):
        return ()
    known = kind in ("success", "info", "warning", "danger")
    return (Told(str(text)[:_LONGEST_TOLD], kind if known else "info"),)


def place_on(request: Request, **changes: Any) -> str:
    """Return this page's address with parts of its query changed; None takes a part away."""
    url = URL(request.url.path + ("?" + request.url.query if request.url.query else ""))
    gone = [name for name, value in changes.items() if value is None]
    kept = {name: value for name, value in changes.items() if value is not None}
    return str(url.remove_query_params(gone).include_query_params(**kept))
