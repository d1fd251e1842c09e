"""Two clocks: the wall's, which may jump, and one that only counts while this boot lasts."""

import time
from datetime import datetime, timezone
from typing import NamedTuple

# Counts through suspend: Linux has this clock for it, elsewhere the monotonic one does so.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
# The years that a date can be made of; a battery that died may give any other.
_EARLIEST, _LATEST = 0.0, 253402300799.0


class Instant(NamedTuple):
    """One moment on both clocks, in seconds: since 1970, and since this boot."""

    wall: float
    steady: float


def now() -> Instant:
    """Read both clocks."""
    return Instant(time.time(), time.clock_gettime(_STEADY))


def rfc3339(wall: float) -> str:
    """``2026-04-28T12:00:00.000Z``."""
    milliseconds = round(min(max(wall, _EARLIEST), _LATEST) * 1000)
    at = datetime.fromtimestamp(milliseconds // 1000, timezone.utc)
    return at.strftime("%Y-%m-%dT%H:%M:%S") + ".%03dZ" % (milliseconds % 1000)
