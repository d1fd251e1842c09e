"""Two clocks: the wall's, which may jump, and one that only counts while this boot lasts."""

import time
from datetime import datetime, timezone
from typing import NamedTuple

# Counts through suspend where the system has such a clock.
_STEADY = getattr(time, "CLOCK_BOOTTIME", None)


class Instant(NamedTuple):
    """One moment on both clocks, in seconds: since 1970, and since this boot."""

    wall: float
    steady: float


def now() -> Instant:
    """Read both clocks."""
    steady = time.monotonic() if _STEADY is None else time.clock_gettime(_STEADY)
    return Instant(time.time(), steady)


def rfc3339(wall: float) -> str:
    """``2026-04-28T12:00:00.000Z``."""
    milliseconds = round(wall * 1000)
    at = datetime.fromtimestamp(milliseconds // 1000, timezone.utc)
    return at.strftime("%Y-%m-%dT%H:%M:%S") + ".%03dZ" % (milliseconds % 1000)
