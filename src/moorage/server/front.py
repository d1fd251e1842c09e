"""The front door: which dialect a path belongs to, a request id, one log line, one count."""

import itertools
import logging
import secrets
import time
from collections.abc import Awaitable, Mapping

import structlog
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from moorage.server.logs import current_request
from moorage.server.tally import Tally

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
        self._tally = Tally()
        registry.register(self._tally)
        self._turned_away = 0
        self._told_at = -_TELL_EVERY_S
        self._debug = logging.getLogger("moorage.requests").isEnabledFor(logging.DEBUG)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._otherwise(scope, receive, send)
            return
        began = time.perf_counter()
        request_id = f"{self._server}-{next(_numbers):x}"
        status = 500

        def tagged(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"x-request-id", request_id.encode()))
            return send(message)

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
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        self._tally.note(method, route, status, seconds)
        if route == _HOT and status == 200:  # noqa: PLR2004 - the hottest route by far
            if self._debug:
                _log.debug("report", status=status, seconds=round(seconds, 4))
            return
        if route == _HOT and status == 503:  # noqa: PLR2004 - too many at once
            self._note_turned_away()
            return
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

    def _note_turned_away(self) -> None:
        """Tell of reports that there was no room for; a line for each would need room, too."""
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
