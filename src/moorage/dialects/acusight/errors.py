"""Refusals as that API spells them: one table from kind to status and code, and its exceptions."""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from moorage.core.errors import DomainError, Kind

STATUS = {
    Kind.INVALID: (400, "VALIDATION_ERROR"),
    Kind.UNAUTHENTICATED: (401, "UNAUTHORIZED"),
    Kind.FORBIDDEN: (403, "FORBIDDEN"),
    Kind.MISSING_SCOPE: (403, "FORBIDDEN"),
    Kind.NOT_FOUND: (404, "NOT_FOUND"),
    Kind.CONFLICT: (409, "CONFLICT"),
    Kind.GONE: (410, "GONE"),
    Kind.PRECONDITION: (412, "PRECONDITION_FAILED"),
    Kind.TOO_LARGE: (413, "PAYLOAD_TOO_LARGE"),
    Kind.LIMITED: (429, "RATE_LIMITED"),
    Kind.UNAVAILABLE: (503, "UNAVAILABLE"),
    Kind.STORAGE_FULL: (507, "STORAGE_FULL"),
}
# Codes of ours that this API tells apart within a kind.
_CODES = {
    "token_invalid": "INVALID_TOKEN",
    "token_expired": "TOKEN_EXPIRED",
    "device_exists": "DEVICE_EXISTS",
}
_encode = msgspec.json.Encoder().encode


def refuse(error: DomainError) -> Response:
    """Render a refusal."""
    status, code = STATUS[error.kind]
    headers = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    if error.kind is Kind.TOO_LARGE:
        headers["Connection"] = "close"
    if error.kind is Kind.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = "Bearer"
    placed = [f"{fault.pointer}: {fault.detail}" for fault in error.faults if fault.pointer]
    details = "; ".join(placed) or error.code
    return _error(status, _CODES.get(error.code, code), error.detail, details, headers)


def unknown_path(request: Request, status: int) -> Response:
    """Render what no route answers."""
    if status == 405:  # noqa: PLR2004 - the status itself
        text = f"this address does not take {request.method}"
        return _error(405, "METHOD_NOT_ALLOWED", text, "method_not_allowed")
    return _error(404, "NOT_FOUND", "there is nothing at this address", "not_found")


def broken() -> Response:
    """Render a fault of ours."""
    text = "the server failed; nothing was changed"
    return _error(500, "INTERNAL_ERROR", text, "internal_error")


def _error(
    status: int, code: str, message: str, details: str, headers: dict[str, str] | None = None
) -> Response:
    body: dict[str, Any] = {
        "success": False,
        "error": {"code": code, "message": message, "details": details},
    }
    return Response(_encode(body), status, headers, media_type="application/json")
