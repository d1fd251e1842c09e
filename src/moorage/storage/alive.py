"""The alive-mark: when some server was there to hear devices, and when none was.

Every server renews one mark. A gap between two renewals is an absence of ours; whoever computes a
device's silence leaves absences out. Kept in the database because all servers on it share the fact.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from moorage.storage.database import Tx
from moorage.storage.prepared import Prepared
from moorage.storage.schema import Millis, table

PERIOD = timedelta(seconds=5)
# Three missed renewals: shorter gaps are a busy disk, not an absence.
ABSENT_AFTER = 3 * PERIOD
# A fleet that was cut off comes back within its agents' longest pause (60 s); the time until then
# counts as ours, or a restart would be answered by an alert storm.
RETURN = timedelta(seconds=60)
_REMEMBERED = timedelta(days=2)
# Servers' clocks differ by less. What lies further ahead was written by a clock since set back.
_SET_BACK = timedelta(minutes=10)

_marks = table(
    "alive_marks",
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("at", Millis, nullable=False),
)
_absences = table(
    "absences",
    sa.Column("began_at", Millis, primary_key=True, autoincrement=False),
    sa.Column("ended_at", Millis, nullable=False),
)


_ABSENCES = Prepared(lambda _: sa.select(_absences).order_by(_absences.c.began_at))
_MARK = Prepared(lambda _: sa.select(_marks.c.at))


@dataclass(frozen=True)
class Absence:
    """A span in which no server heard any device (its end includes the time to come back)."""

    began_at: datetime
    ended_at: datetime


async def mark(tx: Tx) -> None:
    """Renew the mark; a gap since the last renewal becomes an absence."""
    last = await tx.row(sa.select(_marks.c.at).with_for_update())
    if last is None:
        await tx.run(
            tx.engine.insert(_marks).on_conflict_do_nothing(), {"name": "fleet", "at": tx.now}
        )
        return
    if tx.now - last.at > ABSENT_AFTER:
        await tx.run(
            tx.engine.insert(_absences).on_conflict_do_nothing(),
            {"began_at": last.at, "ended_at": tx.now + RETURN},
        )
        await tx.run(sa.delete(_absences).where(_absences.c.ended_at < tx.now - _REMEMBERED))
    if tx.now > last.at or last.at - tx.now > _SET_BACK:
        await tx.run(sa.update(_marks).values(at=tx.now))


async def last_mark(tx: Tx) -> datetime | None:
    """When a server last said that it was there; None if none ever did."""
    rows = await tx.rows_of(_MARK, {})
    return rows[0].at if rows else None


async def absences(tx: Tx) -> Sequence[Absence]:
    """Absences of the last two days, ascending and disjoint, with one that may be going on now."""
    possible = tx.now + RETURN + _SET_BACK
    found = [
        Absence(row.began_at, row.ended_at)
        for row in await tx.rows_of(_ABSENCES, {})
        if row.ended_at <= possible
    ]
    marks = await tx.rows_of(_MARK, {})
    if marks and tx.now - marks[0].at > ABSENT_AFTER:
        # The server has just come back, or was frozen, and the mark is not renewed yet.
        found.append(Absence(marks[0].at, tx.now + RETURN))
    return _disjoint(found)


def _disjoint(spans: Sequence[Absence]) -> Sequence[Absence]:
    joined: list[Absence] = []
    for span in spans:
        if joined and span.began_at <= joined[-1].ended_at:
            end = max(joined[-1].ended_at, span.ended_at)
            joined[-1] = Absence(joined[-1].began_at, end)
        else:
            joined.append(span)
    return joined
