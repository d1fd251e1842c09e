"""Two clocks: the wall's, which may jump, and one that only counts while this boot lasts."""

import re
import time
from datetime import datetime, timezone
from typing import NamedTuple, Optional

# Counts through suspend: Linux has this clock for it, elsewhere the monotonic one does so.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
# The years that a date can be made of; a battery that died may give any other.
_EARLIEST, _LATEST = 0.0, 253402300799.0
# Readings so far apart are not of one moment; on a machine so busy some must do.
_ONE_MOMENT_S, _MOST_READINGS = 0.05, 5
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?Z", re.ASCII)


class Instant(NamedTuple):
    """One moment on both clocks, in seconds: since 1970, and since this boot."""

    wall: float
    steady: float


def now() -> Instant:
    """Read both clocks, as one moment.

    A process that is held up between the two readings, for want of a processor or because the
    machine slept, would take its own absence for a clock that was set.
    """
    for _ in range(_MOST_READINGS):
        before = time.clock_gettime(_STEADY)
        wall = time.time()
        after = time.clock_gettime(_STEADY)
        if after - before <= _ONE_MOMENT_S:
            break
    return Instant(wall, after)


def rfc3339(wall: float) -> str:
    """``2026-04-28T12:00:00.000Z``."""
    milliseconds = round(min(max(wall, _EARLIEST), _LATEST) * 1000)
    at = datetime.fromtimestamp(milliseconds // 1000, timezone.utc)
    return at.strftime("%Y-%m-%dT%H:%M:%S") + ".%03dZ" % (milliseconds % 1000)


def parsed(text: object) -> Optional[float]:
    """Return the seconds since 1970 that an RFC 3339 text in UTC says, or None for any other."""
    found = _RFC3339.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    try:
        at = datetime.strptime(found.group(1) + "+0000", "%Y-%m-%dT%H:%M:%S%z")
    except ValueError:
        return None
    return at.timestamp() + float(found.group(2) or 0)
