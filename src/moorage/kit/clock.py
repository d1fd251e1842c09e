"""Time as the server sees it: aware UTC outside, epoch milliseconds in tables."""

from datetime import UTC, datetime, timedelta
from typing import Protocol

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
# What a time is past its millisecond, by microseconds: made here, because to make one takes longer
# than all the rest of telling the time.
_PAST = tuple(timedelta(microseconds=one) for one in range(1000))
_FIRST_MS = (datetime.min.replace(tzinfo=UTC) - EPOCH) // _MILLISECOND
_LAST_MS = (datetime.max.replace(tzinfo=UTC) - EPOCH) // _MILLISECOND


class Clock(Protocol):
    """Anything that tells the present time; tests put a fixed one here."""

    def now(self) -> datetime:
        """Return the present as aware UTC."""
        ...


class SystemClock:
    """The machine's clock, cut to whole milliseconds so that a stored time reads back equal."""

    def now(self) -> datetime:
        """Return the present as aware UTC, whole milliseconds."""
        now = datetime.now(UTC)
        return now - _PAST[now.microsecond % 1000]


def to_ms(at: datetime) -> int:
    """Epoch milliseconds of an aware time; negative before 1970.

    With an offset a time can lie outside the years 1 to 9999 of UTC; the nearest time inside stands
    for it, so that whatever was stored can be read again.
    """
    ms = (at - EPOCH) // _MILLISECOND
    return ms if _FIRST_MS <= ms <= _LAST_MS else min(max(ms, _FIRST_MS), _LAST_MS)


def from_ms(ms: int) -> datetime:
    """Aware UTC time of epoch milliseconds. Raises OverflowError outside years 1 to 9999."""
    return EPOCH + ms * _MILLISECOND


# Those who share a commit are answered in the same few milliseconds, each with the present.
_last: tuple[datetime, str] = (EPOCH, "1970-01-01T00:00:00.000Z")


def rfc3339(at: datetime) -> str:
    """``2026-04-28T12:00:00.000Z``: UTC with milliseconds, the form of RFC 3339 we write."""
    global _last  # noqa: PLW0603 - a memo of one; whoever reads it gets a whole pair
    last, text = _last
    if at != last:
        utc = at if at.tzinfo is UTC else at.astimezone(UTC)
        text = utc.isoformat(timespec="milliseconds")[:-6] + "Z"
        _last = (at, text)
    return text
