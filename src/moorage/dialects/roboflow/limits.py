"""Limits of reading, as sliding windows. Reports are never counted here."""

import math
import time

from limits import RateLimitItem, parse

from moorage.core.errors import DomainError, Kind
from moorage.dialects.common import Counters

_LOGS_PER_ADDRESS = parse("5/minute")
# Its own limit is global, which lets one tenant starve the rest; ours is the workspace's.
_LOGS_PER_WORKSPACE = parse("50/minute")
_TELEMETRY = (parse("60/minute"), parse("10/10 second"))


class ReadLimits:
    """Counts reads; ``enabled`` False lets everything through."""

    def __init__(self, counters: Counters, *, enabled: bool) -> None:
        """Start at zero, or at what other servers counted."""
        self._enabled = enabled
        self._counters = counters

    async def logs(self, address: str, workspace_id: str) -> None:
        """Count a read of logs. Raises DomainError ``limited``."""
        await self._hit("log_reads_limited", _LOGS_PER_ADDRESS, "logs", "ip", address)
        await self._hit("log_reads_limited", _LOGS_PER_WORKSPACE, "logs", "ws", workspace_id)

    async def telemetry(self, device_id: str) -> None:
        """Count a read of a device's telemetry. Raises DomainError ``limited``."""
        for limit in _TELEMETRY:
            await self._hit("telemetry_reads_limited", limit, "telemetry", str(limit), device_id)

    async def _hit(self, code: str, limit: RateLimitItem, *names: str) -> None:
        if not self._enabled or await self._counters.hit("moving", limit, *names):
            return
        stats = await self._counters.stats("moving", limit, *names)
        wait = max(1, math.ceil(stats.reset_time - time.time()))
        raise DomainError(
            Kind.LIMITED,
            code,
            f"Too many requests: at most {limit}. Try again in {wait} seconds.",
            retry_after_s=wait,
        )
