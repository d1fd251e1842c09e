"""How much of the line the past may take, so that the present has it when it wants it.

Pure: seconds are those of the steady clock.
"""

from __future__ import annotations

import os
from typing import Mapping, Optional

VARIABLE = "MOORAGE_AGENT_BACKFILL_KIB_PER_MINUTE"
# Hours of samples and lines are a few of these; a full store is there in a quarter of an hour.
DEFAULT_KIB_PER_MINUTE = 4096
# A small report is not cheaper than this, or a few bytes each would make many requests.
_LEAST_BYTES = 64 * 1024
_MOST_KIB = 2**30


class Allowance:
    """So many bytes a minute, evenly: each report is paid for before the next may begin."""

    def __init__(self, kib_per_minute: int = DEFAULT_KIB_PER_MINUTE) -> None:
        """0 is as much as there is."""
        self._bytes_per_s = kib_per_minute * 1024 / 60.0
        self._paid_at: Optional[float] = None

    def allows(self, now: float) -> bool:
        """Whether the next report may go."""
        return self._paid_at is None or now >= self._paid_at

    def spend(self, now: float, size: int) -> None:
        """Note that a report of so many bytes, before they are compressed, is being sent."""
        if self._bytes_per_s > 0:
            begins = now if self._paid_at is None else max(self._paid_at, now)
            self._paid_at = begins + max(size, _LEAST_BYTES) / self._bytes_per_s


def by_environment(environment: Mapping[str, str] = os.environ) -> Allowance:
    """Return the allowance that the device's owner gives. Raises ValueError."""
    told = environment.get(VARIABLE, "").strip()
    if not told:
        return Allowance()
    if not (told.isascii() and told.isdigit() and int(told) <= _MOST_KIB):
        raise ValueError("%s is a whole number of KiB a minute, or 0 for no bound" % VARIABLE)
    return Allowance(int(told))
