"""The front door: which dialect a path belongs to, a request id, one log line, one count."""

import itertools
import logging
import secrets
import time
from collections.abc import Mapping

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from moorage.server.logs import current_request

_log = structlog.get_logger("moorage.requests")
_UNKNOWN = "(unknown)"
# A request id names the server and counts: unique without asking for randomness each time.
_numbers = itertools.count(1)
_HOT = "/v1/reports"
_TELL_EVERY_S = 1.0


class Below:
    """Sends what lies below a prefix to one application, the rest of its segment to another."""

    def __init__(self, prefix: str, below: ASGIApp, otherwise: ASGIApp) -> None:
        """Keep both; the prefix ends in a slash."""
        self._prefix = prefix
        self._below = below
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        inside = scope["path"].startswith(self._prefix)
        await (self._below if inside else self._otherwise)(scope, receive, send)


class FrontDoor:
    """Sends each request to the application of its first path segment."""

    def __init__(
        self, by_segment: Mapping[str, ASGIApp], otherwise: ASGIApp, registry: CollectorRegistry
    ) -> None:
        """Keep the map; counts go to the registry."""
        self._server = secrets.token_hex(6)
        self._by_segment = dict(by_segment)
        self._otherwise = otherwise
        self._requests = Counter(
            "moorage_requests_total",
            "Requests answered",
            ["method", "route", "status"],
            registry=registry,
        )
        self._seconds = Histogram(
            "moorage_request_seconds",
            "Time to answer, the body of the request included",
            ["route"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 30),
            registry=registry,
        )
        self._turned_away = 0
        self._told_at = -_TELL_EVERY_S
        self._debug = logging.getLogger("moorage.requests").isEnabledFor(logging.DEBUG)
        self._reports_ok = self._requests.labels("POST", _HOT, "200")
        self._reports_seconds = self._seconds.labels(_HOT)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._otherwise(scope, receive, send)
            return
        began = time.perf_counter()
        request_id = f"{self._server}-{next(_numbers):x}"
        status = 500

        async def tagged(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"x-request-id", request_id.encode()))
            await send(message)

        segment = scope["path"].split("/", 2)[1] if "/" in scope["path"] else ""
        app = self._by_segment.get(segment, self._otherwise)
        token = current_request.set(request_id)
        try:
            await app(scope, receive, tagged)
        finally:
            self._note(scope, status, time.perf_counter() - began)
            current_request.reset(token)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = _template(scope)
        if route == _HOT and status == 200:  # noqa: PLR2004 - the hottest route by far
            self._reports_ok.inc()
            self._reports_seconds.observe(seconds)
            if self._debug:
                _log.debug("report", status=status, seconds=round(seconds, 4))
            return
        if route == _HOT and status == 503:  # noqa: PLR2004 - too many at once
            self._note_turned_away(seconds)
            return
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)
        level = "warning" if status >= 500 else "info"  # noqa: PLR2004 - our own faults
        client = scope.get("client")
        getattr(_log, level)(
            "request",
            method=method,
            route=route,
            status=status,
            seconds=round(seconds, 4),
            client=client[0] if client else None,
        )

    def _note_turned_away(self, seconds: float) -> None:
        """Count a report that there was no room for; a line for each would need room, too."""
        self._requests.labels("POST", _HOT, "503").inc()
        self._seconds.labels(_HOT).observe(seconds)
        self._turned_away += 1
        now = time.monotonic()
        if now - self._told_at >= _TELL_EVERY_S:
            _log.warning("reports_turned_away", count=self._turned_away)
            self._told_at, self._turned_away = now, 0


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _template(scope: Scope) -> str:
    """Return the template of the route that answered, never the path: tokens stand in paths."""
    if "moorage.route" in scope:
        return str(scope["moorage.route"])
    route = scope.get("route")
    return str(getattr(route, "path", _UNKNOWN))
