"""How far rolling up has come, the marks of what must be done again, and every statement on both.

Two rows say how far: samples before ``closed`` are summed up or marked, samples before ``rolled``
are summed up for all devices. They differ while a walk is under way. Who appends samples holds a
share of ``closed`` until its commit, so that it cannot move past samples nobody sees yet.
"""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from moorage.core.caller import DeviceRef
from moorage.core.rollups.rules import hour_of
from moorage.storage import Millis, Prepared, Row, Tx, table

CLOSED = "closed"
ROLLED = "rolled"

_progress = table(
    "rollup_progress",
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("until", Millis, nullable=False),
    sa.Column("after", sa.Text, nullable=False),
)
_marks = table(
    "rollup_marks",
    sa.Column("device_id", sa.ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("hour", Millis, primary_key=True, autoincrement=False, index=True),
    clustered=True,
)

_SHARED = Prepared(
    lambda _: (
        sa.select(_progress.c.until).where(_progress.c.name == CLOSED).with_for_update(read=True)
    )
)
_UNTIL = Prepared(
    lambda _: sa.select(_progress.c.until).where(_progress.c.name == sa.bindparam("_name"))
)


async def share_closed(tx: Tx) -> datetime:
    """Return until when hours are closed; that stays so until this transaction ends.

    The first time ever nothing was stored before, so the present hour is where it begins.
    """
    found = await tx.rows_of(_SHARED, {})
    if not found:
        await _begin(tx)
        found = await tx.rows_of(_SHARED, {})
    until: datetime = found[0].until
    return until


async def _begin(tx: Tx) -> None:
    rows = [{"name": name, "until": hour_of(tx.now), "after": ""} for name in (CLOSED, ROLLED)]
    await tx.run(tx.engine.insert(_progress).on_conflict_do_nothing(), rows)


async def until(tx: Tx, name: str) -> datetime | None:
    """Return how far one of the two has come; None while nothing was ever stored."""
    found = await tx.rows_of(_UNTIL, {"_name": name})
    return found[0].until if found else None


async def lock(tx: Tx, name: str) -> Row | None:
    """Lock one of the two rows and return it (until, after)."""
    return await tx.row(sa.select(_progress).where(_progress.c.name == name).with_for_update())


async def advance(tx: Tx, name: str, until: datetime | None = None, *, after: str = "") -> None:
    """Move one of the two on; without a time only the place of the walk."""
    values = {"after": after} if until is None else {"after": after, "until": until}
    await tx.run(sa.update(_progress).where(_progress.c.name == name).values(**values))


_MARK = Prepared(
    # Not DO NOTHING: a mark that is there must be locked, or the job could take it and look for
    # the new samples before they are there.
    lambda engine: (new := engine.insert(_marks)).on_conflict_do_update(
        index_elements=["device_id", "hour"], set_={"hour": new.excluded.hour}
    )
)


async def mark(tx: Tx, marks: Sequence[tuple[str, datetime]]) -> None:
    """Mark hours of devices, given in key order so that two servers cannot deadlock."""
    await tx.run_many(_MARK, [{"device_id": device, "hour": hour} for device, hour in marks])


_MARKED = Prepared(
    lambda _: sa.select(sa.type_coerce(_marks.c.hour, sa.BigInteger).label("hour")).where(
        _marks.c.device_id == sa.bindparam("_device_id"),
        sa.type_coerce(_marks.c.hour, sa.BigInteger) < sa.bindparam("_end", type_=sa.BigInteger),
    )
)


async def marked(tx: Tx, device: DeviceRef, end: int) -> list[int]:
    """Marked hours of a device that begin before a time, in milliseconds."""
    rows = await tx.rows_of(_MARKED, {"_device_id": device.device_id, "_end": end})
    return [row.hour for row in rows]


async def first_marked(tx: Tx) -> datetime | None:
    """The earliest marked hour of all."""
    row = await tx.row(sa.select(_marks.c.hour).order_by(_marks.c.hour).limit(1))
    return row and row.hour


async def take_marks(tx: Tx, before: datetime, limit: int) -> list[tuple[str, datetime]]:
    """Delete marks of hours before a time and return them; those another server holds stay."""
    rows = await tx.rows(
        sa.select(_marks.c.device_id, _marks.c.hour)
        .where(_marks.c.hour < before)
        .order_by(_marks.c.device_id, _marks.c.hour)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    taken = [(row.device_id, row.hour) for row in rows]
    if taken:
        gone = sa.and_(
            _marks.c.device_id == sa.bindparam("_device_id"),
            _marks.c.hour == sa.bindparam("_hour"),
        )
        keys = [{"_device_id": device, "_hour": hour} for device, hour in taken]
        await tx.run(sa.delete(_marks).where(gone), keys)
    return taken
