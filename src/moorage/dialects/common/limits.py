"""Limits of what one key may ask in a minute. Reports are never counted here."""

import math
import time

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from moorage.core import keys
from moorage.core.errors import DomainError, Kind

_WINDOW_S = 60


class KeyLimit:
    """Counts requests by key in this process; 0 a minute counts nothing."""

    def __init__(self, per_minute: int) -> None:
        """Start at zero."""
        self._per_minute = per_minute
        self._limit = RateLimitItemPerMinute(max(per_minute, 1))
        self._window = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def hit(self, text: str) -> None:
        """Count a request of a key. Raises DomainError ``limited``."""
        if not self._per_minute:
            return
        digest = keys.digest(text)
        if await self._window.hit(self._limit, digest):
            return
        stats = await self._window.get_window_stats(self._limit, digest)
        wait = max(1, math.ceil(stats.reset_time - time.time()))
        raise DomainError(
            Kind.LIMITED,
            "rate_limited",
            f"this key may ask {self._per_minute} times in a minute; wait {wait} s, or ask less "
            "often (lists take a limit of up to 500, /v1/stream tells changes as they come)",
            extra={"limit": self._per_minute, "window_s": _WINDOW_S},
            retry_after_s=wait,
        )
