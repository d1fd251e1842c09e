"""How the database grew, a row a day, and when it will be full if it goes on so."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from moorage.storage.database import Tx
from moorage.storage.schema import Millis, table

_DAY = timedelta(days=1)
_KEPT = timedelta(days=60)
# What a forecast goes by: long enough for weekends, short enough for a fleet that was just doubled.
_LOOKED_AT = timedelta(days=14)
FEWEST_DAYS = 3
# Beyond ten years a figure would only pretend to know something.
_FARTHEST_DAYS = 3650.0

_sizes = table(
    "storage_sizes",
    sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", Millis, nullable=False),
    sa.Column("used_bytes", sa.BigInteger, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """The last size that was measured on one day."""

    at: datetime
    used_bytes: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the last days say.

    ``days_measured`` is how many of them there are; with fewer than ``FEWEST_DAYS`` nothing is
    said. ``bytes_per_day`` is how fast it grows (or shrinks, below 0). ``full_in_days`` is None
    without a limit, when it does not grow, or when it is too far away to tell.
    """

    days_measured: int
    bytes_per_day: float | None = None
    full_in_days: float | None = None


async def note(tx: Tx, used_bytes: int) -> None:
    """Keep today's size in the place of an earlier one of today, and let go of old ones."""
    today = {"at": tx.now, "used_bytes": used_bytes}
    await tx.run(
        tx.engine.insert(_sizes)
        .values(day=tx.now.date().toordinal(), **today)
        .on_conflict_do_update(index_elements=["day"], set_=today)
    )
    await tx.run(sa.delete(_sizes).where(_sizes.c.at < tx.now - _KEPT))


async def measured(tx: Tx) -> list[Measured]:
    """Return the sizes a forecast goes by, oldest first."""
    rows = await tx.rows(
        sa.select(_sizes).where(_sizes.c.at >= tx.now - _LOOKED_AT).order_by(_sizes.c.day)
    )
    return [Measured(row.at, row.used_bytes) for row in rows]


def forecast(past: Sequence[Measured], *, used_bytes: int, most_bytes: int | None) -> Forecast:
    """Say when ``most_bytes`` are reached, from the straight line through the last days."""
    if len(past) < FEWEST_DAYS:
        return Forecast(len(past))
    days = [(one.at - past[0].at) / _DAY for one in past]
    middle = sum(days) / len(days)
    spread = sum((day - middle) ** 2 for day in days)
    if spread < 1:  # all within hours of each other, as after a clock was set
        return Forecast(len(past))
    mean = sum(one.used_bytes for one in past) / len(past)
    slope = (
        sum((day - middle) * (one.used_bytes - mean) for day, one in zip(days, past, strict=True))
        / spread
    )
    if most_bytes is None or slope <= 0:
        return Forecast(len(past), slope)
    left = max(most_bytes - used_bytes, 0) / slope
    return Forecast(len(past), slope, left if left <= _FARTHEST_DAYS else None)
