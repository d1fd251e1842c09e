"""Refusals as that API spells them: one table, plus the two shapes it has for keys."""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from moorage.core.errors import DomainError, Kind

STATUS = {
    Kind.INVALID: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.MISSING_SCOPE: 404,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.GONE: 410,
    Kind.PRECONDITION: 412,
    Kind.TOO_LARGE: 413,
    Kind.LIMITED: 429,
    Kind.UNAVAILABLE: 503,
    Kind.STORAGE_FULL: 507,
}
_NO_KEY = "This API key does not exist (or has been revoked)."
_encode = msgspec.json.Encoder().encode


def refuse(error: DomainError) -> Response:
    """Render a refusal."""
    status = STATUS[error.kind]
    headers = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    if error.kind is Kind.TOO_LARGE:
        headers["Connection"] = "close"
    if error.code == "log_reads_limited":
        # Its log reader alone answers in plain text.
        return Response(error.detail, status, headers, media_type="text/plain")
    return Response(
        _encode({"error": _said(error)}), status, headers, media_type="application/json"
    )


def _said(error: DomainError) -> Any:
    if error.kind is Kind.UNAUTHENTICATED:
        return {
            "message": _NO_KEY,
            "status": 401,
            "type": "OAuthException",
            "hint": "Send a key of this workspace as ?api_key=KEY or as a bearer token.",
        }
    if error.kind is Kind.MISSING_SCOPE:
        scope = error.extra.get("scope", "")
        return {
            "message": f"Unsupported request: this key lacks the scope {scope}.",
            "status": 404,
            "type": "GraphMethodException",
            "hint": f"Use a key that has {scope}, or add it to this one.",
        }
    # A fault in a body says where it is.
    placed = [f"{fault.pointer}: {fault.detail}" for fault in error.faults if fault.pointer]
    return "; ".join(placed) or error.detail


def unknown_path(request: Request, status: int) -> Response:
    """Render what no route answers."""
    if status == 405:  # noqa: PLR2004 - the status itself
        return _plain(405, f"this address does not take {request.method}")
    return _plain(404, "there is nothing at this address; the API is under /{workspace}/devices/v2")


def broken() -> Response:
    """Render a fault of ours."""
    return _plain(500, "the server failed; nothing was changed")


def _plain(status: int, text: str) -> Response:
    return Response(_encode({"error": text}), status, media_type="application/json")
