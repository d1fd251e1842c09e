"""Refusals as RFC 9457 problem documents: one table, used by plain and FastAPI routes alike."""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from moorage.core.errors import DomainError, Kind

STATUS = {
    Kind.INVALID: 422,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.MISSING_SCOPE: 403,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.GONE: 410,
    Kind.LIMITED: 429,
    Kind.UNAVAILABLE: 503,
    Kind.TOO_LARGE: 413,
    Kind.PRECONDITION: 412,
    Kind.STORAGE_FULL: 507,
}
_TITLES = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    410: "Gone",
    412: "Precondition failed",
    413: "Content too large",
    422: "Unprocessable content",
    429: "Too many requests",
    500: "Internal server error",
    503: "Service unavailable",
    507: "Insufficient storage",
}
MEDIA_TYPE = "application/problem+json"
# Said when the refusal itself does not know: a client told to wait is always told how long.
_RETRY_AFTER_S = 5
_encode = msgspec.json.Encoder().encode


def problem(error: DomainError) -> Response:
    """Render a refusal."""
    status = STATUS[error.kind]
    headers = {}
    retry_after_s = error.retry_after_s
    if retry_after_s is None and error.kind in (Kind.UNAVAILABLE, Kind.LIMITED):
        retry_after_s = _RETRY_AFTER_S
    if retry_after_s is not None:
        headers["Retry-After"] = str(retry_after_s)
    if error.kind is Kind.LIMITED and "limit" in error.extra:
        # Fields of the IETF's draft on rate limits: what the policy is, and what is left of it.
        policy = f'"key";q={error.extra["limit"]};w={error.extra["window_s"]}'
        headers["RateLimit-Policy"] = policy
        headers["RateLimit"] = f'"key";r=0;t={retry_after_s}'
    if status == 401:  # noqa: PLR2004 - the one status that must name its scheme (RFC 9110)
        headers["WWW-Authenticate"] = "Bearer"
    if error.kind is Kind.TOO_LARGE:
        # The rest of the body was not read, so the connection cannot be used again.
        headers["Connection"] = "close"
    extra: dict[str, Any] = dict(error.extra)
    if error.faults:
        extra["errors"] = [{"pointer": f.pointer, "detail": f.detail} for f in error.faults]
    return _response(status, error.code, error.detail, headers, extra)


def unknown_path(request: Request, status: int) -> Response:
    """Render what no route answers; the path itself is not repeated, for it may hold a secret."""
    if status == 405:  # noqa: PLR2004 - the status itself
        detail = f"this address does not take {request.method}; see the Allow header"
        return _response(status, "method_not_allowed", detail)
    return _response(404, "not_found", "there is nothing at this address; /v1/docs lists what is")


def broken() -> Response:
    """Render a fault of ours."""
    return _response(500, "internal_error", "the server failed; nothing was changed")


def _response(
    status: int,
    code: str,
    detail: str,
    headers: dict[str, str] | None = None,
    extra: dict[str, Any] | None = None,
) -> Response:
    body = {
        "type": f"urn:moorage:problem:{code}",
        "title": _TITLES.get(status, "Error"),
        "status": status,
        "detail": detail,
        "code": code,
        **(extra or {}),
    }
    return Response(_encode(body), status, headers, media_type=MEDIA_TYPE)
