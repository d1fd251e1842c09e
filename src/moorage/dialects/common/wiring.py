"""One way to give an application a dialect's errors: every exception is a DomainError first."""

from collections.abc import Callable, Sequence
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from moorage.core.errors import DomainError, Fault, Kind, of_exception
from moorage.kit.jsonvalue import UnfitJsonError, escape_pointer
from moorage.kit.pages import BadCursorError
from moorage.storage import StorageError

_log = structlog.get_logger("moorage.dialects")


def refuse_with(
    app: FastAPI,
    render: Callable[[DomainError], Response],
    *,
    unknown_path: Callable[[Request, int], Response],
    broken: Callable[[], Response],
) -> None:
    """Wire a dialect's shapes: refusals, unknown paths and wrong methods, and our own faults."""

    async def domain(_request: Request, error: Exception) -> Response:
        return render(of_exception(error) or DomainError(Kind.INVALID, "invalid", "refused"))

    async def validation(_request: Request, error: Exception) -> Response:
        faults = faults_of(error.errors() if isinstance(error, RequestValidationError) else [])
        detail = "; ".join(f"{fault.pointer}: {fault.detail}" for fault in faults[:3])
        return render(DomainError(Kind.INVALID, "invalid", detail or "invalid", faults=faults))

    async def http(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        response = unknown_path(request, status)
        if isinstance(error, HTTPException) and error.headers:
            response.headers.update(error.headers)
        allowed = _methods_at(app, request.url.path) if status == 405 else set()  # noqa: PLR2004
        if allowed:
            response.headers["Allow"] = ", ".join(sorted(allowed))
        return response

    async def unforeseen(_request: Request, error: Exception) -> Response:
        _log.error("request_failed", error=type(error).__name__, exc_info=error)
        return broken()

    for kind in (DomainError, StorageError, BadCursorError, UnfitJsonError):
        app.add_exception_handler(kind, domain)
    app.add_exception_handler(RequestValidationError, validation)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, unforeseen)


def _methods_at(app: FastAPI, path: str) -> set[str]:
    """Return all methods of an address: the routes of one path stand apart, each with its own."""
    found: set[str] = set()
    for route in iter_route_contexts(app.routes):
        if route.methods and route.path_regex.match(path):
            found |= route.methods
    return found


def faults_of(errors: Sequence[Any]) -> list[Fault]:
    """Turn pydantic's errors into pointers and sentences; the value itself is never repeated."""
    faults = []
    for error in errors:
        place, *rest = error["loc"]
        steps = rest if place == "body" else [place, *rest] if place != "query" else rest
        pointer = "".join(f"/{escape_pointer(str(step))}" for step in steps)
        faults.append(Fault(pointer, str(error["msg"])))
    return faults
