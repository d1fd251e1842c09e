"""Limits of what one key may ask in a minute, and how who asks too much is slowed down.

Reports are never counted here.
"""

import asyncio
import contextlib
import math
import random
import time

from limits import RateLimitItemPerMinute

from moorage.core import keys
from moorage.core.errors import DomainError, Kind
from moorage.dialects.common.counting import Counters

_WINDOW_S = 60


class KeyLimit:
    """Counts requests of one API by key; 0 a minute counts nothing."""

    def __init__(self, per_minute: int, counters: Counters, *, api: str) -> None:
        """Start at zero, or at what other servers counted."""
        self._per_minute = per_minute
        self._limit = RateLimitItemPerMinute(max(per_minute, 1))
        self._counters = counters
        self._api = api

    async def hit(self, text: str) -> None:
        """Count a request of a key. Raises DomainError ``limited``."""
        if not self._per_minute:
            return
        digest = keys.digest(text)
        if await self._counters.hit("sliding", self._limit, self._api, digest):
            return
        stats = await self._counters.stats("sliding", self._limit, self._api, digest)
        wait = max(1, math.ceil(stats.reset_time - time.time()))
        raise DomainError(
            Kind.LIMITED,
            "rate_limited",
            f"this key may ask {self._per_minute} times in a minute; wait {wait} s, or ask less "
            "often (lists take a limit of up to 500, /v1/stream tells changes as they come)",
            extra={"limit": self._per_minute, "window_s": _WINDOW_S},
            retry_after_s=wait,
        )


class Doorstep:
    """Where who is turned away waits a moment before being told so.

    Telling costs nearly as much as reading a request. Whoever does not heed ``Retry-After`` would
    use up the server with refusals; held for a moment, a connection asks every other second at
    most.
    """

    _MOST = 4_000
    _LEAST_S, _LONGEST_S = 2.0, 4.0

    def __init__(self, closing: asyncio.Event) -> None:
        """Nobody is held once ``closing`` is set."""
        self._closing = closing
        self._held = 0

    async def hold(self) -> None:
        """Wait a moment, unless so many do already."""
        if self._held >= self._MOST:
            return
        self._held += 1
        try:
            pause = random.uniform(self._LEAST_S, self._LONGEST_S)  # noqa: S311 - no secret
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._closing.wait()
        finally:
            self._held -= 1
