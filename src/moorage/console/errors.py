"""Refusals as pages or as notices on the page that is open: one table from kind to both."""

from dataclasses import dataclass

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from moorage.console.web import is_fragment, render, session_of, trigger
from moorage.core.errors import DomainError, Fault, Kind, of_exception

_log = structlog.get_logger("moorage.console")
_MOST_FAULTS = 20
_LONGEST = 300
_RETRY_AFTER_S = 5


@dataclass(frozen=True)
class Look:
    """How a kind of refusal is answered. ``again``: trying the same again may help."""

    status: int
    title: str
    icon: str = "alert-circle"
    again: bool = False


LOOKS = {
    Kind.INVALID: Look(422, "That does not fit"),
    Kind.UNAUTHENTICATED: Look(401, "That does not open anything", "lock"),
    Kind.FORBIDDEN: Look(403, "That is not allowed", "ban"),
    Kind.MISSING_SCOPE: Look(403, "Your role does not allow that", "ban"),
    Kind.NOT_FOUND: Look(404, "There is no such thing", "search"),
    Kind.CONFLICT: Look(409, "That is in the way", "alert-triangle"),
    Kind.GONE: Look(410, "That is no longer there", "ban"),
    Kind.LIMITED: Look(429, "Too many requests", "hourglass", again=True),
    Kind.UNAVAILABLE: Look(503, "The server is busy", "hourglass", again=True),
    Kind.TOO_LARGE: Look(413, "That is too large"),
    Kind.PRECONDITION: Look(412, "Somebody else changed this meanwhile", "git-compare"),
    Kind.STORAGE_FULL: Look(507, "The server's storage is full", "database", again=True),
}

# What a code says better than its kind.
TITLES = {
    "session_over": "You are signed out",
    "link_invalid": "This link is good no longer",
    "csrf_token_wrong": "This page is out of date",
    "place_changed": "You are elsewhere now",
}


@dataclass(frozen=True)
class Refused:
    """What the page or notice of a refusal shows."""

    title: str
    detail: str
    icon: str
    code: str
    again: bool
    signed_out: bool
    faults: tuple[Fault, ...]


async def refused(request: Request, error: Exception) -> Response:
    """Answer a refusal of the core, or of the storage below it."""
    said = of_exception(error) or DomainError(Kind.INVALID, "invalid", "refused")
    look = LOOKS[said.kind]
    page = Refused(
        TITLES.get(said.code, look.title),
        _detail(request, said),
        look.icon,
        said.code,
        look.again,
        said.code == "session_over",
        said.faults,
    )
    response = _shown(request, page, look.status)
    if look.again:
        response.headers["Retry-After"] = str(said.retry_after_s or _RETRY_AFTER_S)
    if said.faults and is_fragment(request):
        faults = [
            {"pointer": fault.pointer[:_LONGEST], "detail": fault.detail[:_LONGEST]}
            for fault in said.faults[:_MOST_FAULTS]
        ]
        trigger(response, "moorage:faults", faults)
    return response


async def unknown(request: Request, error: Exception) -> Response:
    """Answer an address that is no page of ours, or a method it does not take."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    headers = error.headers if isinstance(error, HTTPException) else None
    wrong_method = status == 405  # noqa: PLR2004 - the status itself
    title = "That does not go here" if wrong_method else LOOKS[Kind.NOT_FOUND].title
    detail = "There is no page at this address. Perhaps a link is old, or a letter is missing."
    if wrong_method:
        detail = "This address does not take what was sent to it."
    page = Refused(title, detail, "search", "not_found", again=False, signed_out=False, faults=())
    response = _shown(request, page, status)
    response.headers.update(headers or {})
    return response


async def broken(request: Request, error: Exception) -> Response:
    """Answer a fault of ours."""
    _log.error("request_failed", error=type(error).__name__, exc_info=error)
    page = Refused(
        "Something went wrong here",
        "The server failed, and nothing was changed. Its log says where; please report it.",
        "alert-triangle",
        "internal_error",
        again=True,
        signed_out=False,
        faults=(),
    )
    return _shown(request, page, 500)


def _detail(request: Request, said: DomainError) -> str:
    if said.kind is not Kind.MISSING_SCOPE:
        return said.detail[:1].upper() + said.detail[1:]
    role = session_of(request).role
    needed = said.extra.get("scope", "more")
    return f"You are {role} here, and this needs {needed}. An owner can give you another role."


def _shown(request: Request, page: Refused, status: int) -> Response:
    if is_fragment(request):
        headers = {"HX-Retarget": "#notices", "HX-Reswap": "beforeend", "HX-Push-Url": "false"}
        return render(request, "_refused.html", page, status=status, headers=headers)
    is_in = getattr(request.state, "shell", None) is not None
    return render(request, "refused.html" if is_in else "refused_plain.html", page, status=status)
