"""Refusals as that API spells them: one flat object, one table from kind to status."""

from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from moorage.core.errors import DomainError, Kind
from moorage.dialects.flatpeak import wire
from moorage.dialects.flatpeak.asked import current
from moorage.kit.clock import Clock

_REQUEST: Final = "invalid_request"
_OURS: Final = "api_error"

# kind: status, type, code
TABLE: Final = {
    Kind.INVALID: (422, _REQUEST, "parameter_invalid"),
    Kind.UNAUTHENTICATED: (403, _REQUEST, "access_denied"),
    Kind.FORBIDDEN: (403, _REQUEST, "access_denied"),
    Kind.MISSING_SCOPE: (403, _REQUEST, "access_denied"),
    Kind.NOT_FOUND: (404, _REQUEST, "not_found"),
    Kind.GONE: (404, _REQUEST, "not_found"),
    Kind.CONFLICT: (409, "conflict", "conflict"),
    Kind.PRECONDITION: (409, "conflict", "conflict"),
    Kind.TOO_LARGE: (413, _REQUEST, "parameter_invalid"),
    Kind.LIMITED: (429, "rate_limit", "too_many_requests"),
    Kind.UNAVAILABLE: (503, _OURS, "internal_error"),
    Kind.STORAGE_FULL: (507, _OURS, "internal_error"),
}
# Our codes that this API has a code of its own for.
CODES: Final = {
    "reference_taken": "duplicate_reference",
    "api_version_not_supported": "api_version_not_supported",
}
# Sentences of that API, word for word: its clients may know them.
_SENTENCES: Final = {
    "key_invalid": "Bad credentials",
    "reference_taken": "Reference ID already exists",
}
# What the core calls it, and what the request did.
_NAMES: Final = {
    "/reference": "reference_id",
    "/after": "starting_after",
    "/before": "ending_before",
}
_RETRY_AFTER_S = 5
_encode = msgspec.json.Encoder().encode


class Refusals:
    """Renders refusals of the request at hand."""

    def __init__(self, clock: Clock) -> None:
        """Keep the clock, for the time in each."""
        self._clock = clock

    def refuse(self, error: DomainError) -> Response:
        """Render a refusal of the core."""
        status, kind, code = TABLE[error.kind]
        headers = {}
        wait = error.retry_after_s
        if wait is None and error.kind in (Kind.UNAVAILABLE, Kind.LIMITED):
            wait = _RETRY_AFTER_S
        if wait is not None:
            headers["Retry-After"] = str(wait)
        if error.kind is Kind.TOO_LARGE:
            # The rest of the body was not read, so the connection cannot be used again.
            headers["Connection"] = "close"
        code = CODES.get(error.code, code)
        # Whoever shows credentials that are not good is told nothing of what they might be.
        live = None if error.kind is Kind.UNAUTHENTICATED else current().live
        return self._error(status, kind, code, _said(error, wait), live=live, headers=headers)

    def unknown_path(self, request: Request, status: int) -> Response:
        """Render what no route answers; the path itself is not repeated."""
        if status == 405:  # noqa: PLR2004 - the status itself
            text = f"this address does not take {request.method}; see the Allow header"
            return self._error(405, _REQUEST, "method_not_allowed", text, live=current().live)
        text = "there is nothing at this address; of this API, /login and /devices are served"
        return self._error(404, _REQUEST, "not_found", text, live=current().live)

    def broken(self) -> Response:
        """Render a fault of ours."""
        text = "the server failed; nothing was changed"
        return self._error(500, _OURS, "internal_error", text, live=current().live)

    def _error(  # noqa: PLR0913 - the parts of an error
        self,
        status: int,
        kind: str,
        code: str,
        message: str,
        *,
        live: bool | None,
        headers: dict[str, str] | None = None,
    ) -> Response:
        body: dict[str, Any] = {"object": "error"}
        if live is not None:
            body["live_mode"] = live
        body |= {
            "context": current().context,
            "type": kind,
            "code": code,
            "message": message,
            "time_created": wire.time_of(self._clock.now()),
        }
        return Response(_encode(body), status, headers, media_type="application/json")


def _said(error: DomainError, wait: int | None) -> str:
    if error.kind is Kind.LIMITED:
        return f"Too many requests with this key; try again in {wait} seconds"
    placed = [
        f"{_NAMES.get(fault.pointer, fault.pointer.removeprefix('/'))}: {fault.detail}"
        for fault in error.faults
        if fault.pointer
    ]
    return _SENTENCES.get(error.code) or "; ".join(placed) or error.detail
