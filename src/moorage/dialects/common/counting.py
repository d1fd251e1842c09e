"""Where requests are counted: in a Valkey or Redis that all servers share, else in this process.

While the shared one does not answer, each process counts for itself; somebody always counts.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal, TypeAlias, TypeVar

import structlog
from limits import RateLimitItem
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import (
    MovingWindowRateLimiter,
    RateLimiter,
    SlidingWindowCounterRateLimiter,
)
from limits.errors import StorageError as CountingError
from limits.util import WindowStats

T = TypeVar("T")
Window: TypeAlias = Literal["moving", "sliding"]

_log = structlog.get_logger("moorage.limits")
_KINDS: Final[dict[Window, type[RateLimiter]]] = {
    "moving": MovingWindowRateLimiter,
    "sliding": SlidingWindowCounterRateLimiter,
}
# A request waits no longer than this to be counted.
_ANSWER_WITHIN_S = 0.25
# After a failure nobody asks for so long.
_LEFT_ALONE_S = 5.0
_SCHEMES: Final = {
    "valkey": "async+valkey",
    "valkeys": "async+valkeys",
    "redis": "async+valkey",
    "rediss": "async+valkeys",
}


class Counters:
    """Counts hits by window and names."""

    def __init__(self, url: str | None = None) -> None:
        """Count here, or at ``valkey://[:password@]host:port/number``; nothing is opened yet."""
        memory = MemoryStorage()
        self._here = {kind: limiter(memory) for kind, limiter in _KINDS.items()}
        self._storage: Any = None
        self._shared: dict[Window, RateLimiter] = {}
        if url is not None:
            scheme, rest = url.split("://", 1)
            self._storage = RedisStorage(
                f"{_SCHEMES[scheme]}://{rest}",
                wrap_exceptions=True,
                key_prefix="moorage",
                socket_timeout=_ANSWER_WITHIN_S,
                socket_connect_timeout=_ANSWER_WITHIN_S,
            )
            self._shared = {kind: limiter(self._storage) for kind, limiter in _KINDS.items()}
        self._ask_at = 0.0
        self._away = False

    @property
    def warning(self) -> str | None:
        """What is amiss, as a sentence; None for nothing."""
        if not self._away:
            return None
        return "the shared rate limits do not answer; each process counts for itself"

    async def hit(self, window: Window, limit: RateLimitItem, *names: str) -> bool:
        """Count one; whether it was within the limit."""
        return await self._ask(window, lambda limiter: limiter.hit(limit, *names))

    async def stats(self, window: Window, limit: RateLimitItem, *names: str) -> WindowStats:
        """Return when there will be room again, and how much there is."""
        return await self._ask(window, lambda limiter: limiter.get_window_stats(limit, *names))

    async def _ask(self, window: Window, what: Callable[[RateLimiter], Awaitable[T]]) -> T:
        if self._shared and time.monotonic() >= self._ask_at:
            try:
                answer = await what(self._shared[window])
            except (CountingError, OSError, TimeoutError) as error:
                self._note_away(error)
            else:
                if self._away:
                    self._away = False
                    _log.info("shared_rate_limits_back")
                return answer
        return await what(self._here[window])

    def _note_away(self, error: Exception) -> None:
        self._ask_at = time.monotonic() + _LEFT_ALONE_S
        if not self._away:
            self._away = True
            cause = error.__cause__ or error
            _log.warning("shared_rate_limits_away", error=type(cause).__name__)

    async def close(self) -> None:
        """Close the connections."""
        if self._storage is not None:
            await self._storage.bridge.storage.aclose()
