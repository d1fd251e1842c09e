"""Notices that this machine's clock was put ahead, and holds back what cannot be undone.

A clock that leaps a year ahead makes all there is a year old. Whoever corrects it is to find its
data where it was; a step that stays is believed after a day.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

_log = structlog.get_logger("moorage.jobs")
# What a clock is put right by now and then; less than that costs nobody a day of anything.
NOTICED: timedelta = timedelta(minutes=10)
_BELIEVED_AFTER_S = 24 * 3600.0


def steady() -> float:
    """Return seconds that only go on, while the machine sleeps too where that can be had."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


class Jumps:
    """Compares the clock with one that only goes on, each time it is asked."""

    def __init__(self, steadily: Callable[[], float] = steady) -> None:
        """Compare with nothing yet."""
        self._steady = steadily
        self._last: tuple[datetime, float] | None = None
        self._ahead = timedelta()
        self._held_until = 0.0

    def hold_back(self, now: datetime) -> bool:
        """Whether what was deleted by this clock would be deleted too early, perhaps."""
        at = self._steady()
        last, self._last = self._last, (now, at)
        if last is not None:
            jumped = now - last[0] - timedelta(seconds=at - last[1])
            if abs(jumped) > NOTICED:
                self._note(jumped, at)
        if self._ahead and at >= self._held_until:
            self._ahead = timedelta()
        return self._ahead > NOTICED

    def _note(self, jumped: timedelta, at: float) -> None:
        self._ahead = max(self._ahead + jumped, timedelta())
        self._held_until = at + _BELIEVED_AFTER_S
        _log.warning(
            "clock_jumped",
            seconds=round(jumped.total_seconds()),
            effect="nothing is cleared out for a day, or until it is set back"
            if self._ahead > NOTICED
            else "none",
        )
