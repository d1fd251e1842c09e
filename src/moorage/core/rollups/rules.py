"""Where a window's figures are read from, and how they are put together: pure functions."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta

from moorage.core.rollups.model import FINE_MS, HOUR_MS, Part
from moorage.kit.clock import from_ms, to_ms

# How long after its end an hour waits to be summed up. Reports that come later are summed up too,
# an hour of one device at a time; so this is a matter of work, not of truth.
GRACE = timedelta(minutes=10)
# A walk covers no more, so that a server that was down for a week catches up in small steps.
LONGEST_WALK = timedelta(hours=24)


def hour_of(at: datetime) -> datetime:
    """Return the start of the hour (UTC) that a time lies in."""
    return from_ms(to_ms(at) // HOUR_MS * HOUR_MS)


def plan(
    start: int, end: int, width: int, *, rolled_until: int, marked: Collection[int]
) -> list[Part]:
    """Cut a window into parts, each read from the widest rows that fit it; all in milliseconds.

    Rows fit where they are made and complete: before ``rolled_until``, in no marked hour, whole
    inside the window and inside one bucket. What remains is read from the samples.
    """
    units = [unit for unit in (HOUR_MS, FINE_MS) if width % unit == 0]
    parts: list[Part] = []
    at = start
    for hour in sorted(hour for hour in marked if hour < rolled_until):
        parts += _cut(at, min(hour, end), units)
        parts += _cut(max(hour, start), min(hour + HOUR_MS, end), ())
        at = max(at, hour + HOUR_MS)
    parts += _cut(at, min(rolled_until, end), units)
    parts += _cut(max(at, rolled_until), end, ())
    return _joined(parts)


def _cut(start: int, end: int, units: Sequence[int]) -> Iterator[Part]:
    """Take whole rows of the first unit out of the middle, and the rest from the next one."""
    if start >= end:
        return
    if not units:
        yield Part(0, start, end)
        return
    unit, *finer = units
    first, last = -(-start // unit) * unit, end // unit * unit
    if first >= last:
        yield from _cut(start, end, finer)
        return
    yield from _cut(start, first, finer)
    yield Part(unit, first, last)
    yield from _cut(last, end, finer)


def _joined(parts: Sequence[Part]) -> list[Part]:
    """Make one part of neighbours that are read from the same rows."""
    joined: list[Part] = []
    for part in parts:
        if joined and (joined[-1].unit_ms, joined[-1].end) == (part.unit_ms, part.start):
            joined[-1] = Part(part.unit_ms, joined[-1].start, part.end)
        else:
            joined.append(part)
    return joined
