"""What samples, log lines and events have in common: rows of a device in order of time.

Their primary key is (device_id, at, id), so a device's rows lie together, reads by time are a range
and old ones are found without another index.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import sqlalchemy as sa

from moorage.core.caller import DeviceRef
from moorage.kit.pages import decode_cursor, encode_cursor
from moorage.storage import Millis, Row, Tx, table

# On PostgreSQL these are partitioned by day, and days past their time are dropped whole. Events are
# not: whoever follows a workspace reads them in the order of storing, several times a second, and
# would have to look into every day there is.
BY_DAY = ("telemetry_samples", "stream_samples", "log_lines")
# How far one page of what no index finds is looked for.
_LOOKED_THROUGH = 20_000
# A condition on rows that no index helps with, on whatever they are selected from.
Sought: TypeAlias = Callable[[sa.FromClause], sa.ColumnElement[bool]]


@dataclass(frozen=True)
class Window:
    """A span of time to read: from ``start`` (included) to ``end`` (not), either may be open."""

    start: datetime | None = None
    end: datetime | None = None


def timeline_table(name: str, *columns: sa.Column[Any] | sa.Index) -> sa.Table:
    """Declare an append-only table of device rows.

    ``at`` is the device's time, corrected when its clock was off; ``device_at`` what it said
    itself, where that differs; ``received_at`` ours.
    """
    return table(
        name,
        sa.Column("device_id", sa.Text, primary_key=True),
        sa.Column("at", Millis, primary_key=True, autoincrement=False),
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("device_at", Millis),
        sa.Column("received_at", Millis, nullable=False),
        *columns,
        clustered=True,
        by="at" if name in BY_DAY else None,
    )


@dataclass(frozen=True)
class Span:
    """One page of a timeline that can be walked both ways, always newest first.

    ``older`` and ``newer`` are cursors to go on with; ``more`` says whether the way taken goes on.
    A page may hold few rows, or none, and go on all the same, where something rare is sought.
    """

    rows: Sequence[Row]
    older: str | None
    newer: str | None
    more: bool


async def both_ways(  # noqa: PLR0913 - a query's parts
    tx: Tx,
    rows_of: sa.Table,
    device: DeviceRef,
    *,
    window: Window,
    where: Sequence[sa.ColumnElement[bool]],
    cursor: str | None,
    forward: bool,
    limit: int,
    sought: Sought | None = None,
) -> Span:
    """Read the page before a cursor, or with ``forward`` the one after it.

    With ``sought`` at most 20,000 rows are looked through; the cursors say how far that went.

    Raises:
        BadCursorError: the cursor is not one of ours.

    """
    chosen = _chosen(rows_of, device, window, where, cursor=cursor, forward=forward)
    if sought is None:
        found, reached = await tx.rows(chosen.limit(limit + 1)), None
    else:
        found, reached = await _look_through(tx, chosen, sought, forward=forward, limit=limit)
    page = found[:limit][::-1] if forward else found[:limit]
    full = len(found) > limit
    older, newer = (
        [encode_cursor(row.at_ms, row.id) for row in (page[-1], page[0])] if page else [cursor] * 2
    )
    if reached is not None and not full:
        older, newer = (older, reached) if forward else (reached, newer)
    return Span(page, older=older, newer=newer, more=full or reached is not None)


async def _look_through(
    tx: Tx, chosen: sa.Select[Any], sought: Sought, *, forward: bool, limit: int
) -> tuple[Sequence[Row], str | None]:
    """Return what is sought of the next rows, and the cursor they end at unless they were all."""
    some = chosen.limit(_LOOKED_THROUGH).subquery()
    order = [some.c.at, some.c.id]
    found = await tx.rows(
        sa.select(some)
        .where(sought(some))
        .order_by(*(order if forward else [part.desc() for part in order]))
        .limit(limit + 1)
    )
    last = await tx.row(chosen.offset(_LOOKED_THROUGH - 1).limit(1))
    return found, last and encode_cursor(last.at_ms, last.id)


async def newest_first(  # noqa: PLR0913 - a query's parts
    tx: Tx,
    rows_of: sa.Table,
    device: DeviceRef,
    *,
    window: Window,
    where: Sequence[sa.ColumnElement[bool]],
    cursor: str | None,
    limit: int,
) -> tuple[Sequence[Row], str | None]:
    """Read one page, newest first; rows that share a time are neither skipped nor repeated.

    Raises:
        BadCursorError: the cursor is not one of ours.

    """
    chosen = _chosen(rows_of, device, window, where, cursor=cursor, forward=False)
    found = await tx.rows(chosen.limit(limit + 1))
    page = found[:limit]
    return page, encode_cursor(page[-1].at_ms, page[-1].id) if len(found) > limit else None


def _chosen(  # noqa: PLR0913 - a query's parts
    rows_of: sa.Table,
    device: DeviceRef,
    window: Window,
    where: Sequence[sa.ColumnElement[bool]],
    *,
    cursor: str | None,
    forward: bool,
) -> sa.Select[Any]:
    """Select what lies before or after a cursor, from there on.

    Each row has its time in milliseconds besides, as ``at_ms``.
    """
    at, row_id = sa.type_coerce(rows_of.c.at, sa.BigInteger), rows_of.c.id
    chosen = sa.select(rows_of, at.label("at_ms"))
    chosen = chosen.where(rows_of.c.device_id == device.device_id, *where, *within(rows_of, window))
    if cursor is not None:
        from_at, from_id = decode_cursor(cursor, int, int)
        here = sa.tuple_(at, row_id)
        there = sa.tuple_(*(sa.literal(part, sa.BigInteger) for part in (from_at, from_id)))
        # The time alone says the same once more, for PostgreSQL: from it, and not from the pair, it
        # knows that partitions of other days need no looking into.
        after, before = (here > there, at >= from_at), (here < there, at <= from_at)
        chosen = chosen.where(*(after if forward else before))
    order = [rows_of.c.at, row_id]
    return chosen.order_by(*(order if forward else [part.desc() for part in order]))


def within(rows_of: sa.Table, window: Window) -> list[sa.ColumnElement[bool]]:
    """Return the conditions of a window."""
    conditions: list[sa.ColumnElement[bool]] = []
    if window.start is not None:
        conditions.append(rows_of.c.at >= window.start)
    if window.end is not None:
        conditions.append(rows_of.c.at < window.end)
    return conditions


async def delete_some(
    tx: Tx, rows_of: sa.Table, device_ids: Sequence[str], *, before: datetime | None, rows: int
) -> int:
    """Delete up to ``rows`` rows of these devices (from before a time, or any); return how many."""
    past = [] if before is None else [rows_of.c.at < before]
    listed = tx.engine.listed("id")
    key = (rows_of.c.device_id, rows_of.c.at, rows_of.c.id)
    if tx.engine.has_lateral:
        # Device by device, each by its key: joined at once, PostgreSQL reads whole days to find the
        # last few rows.
        own = (
            sa.select(*key)
            .where(rows_of.c.device_id == listed.c.id, *past)
            .order_by(rows_of.c.at, rows_of.c.id)
            .limit(rows)
            .lateral("own")
        )
        old = sa.select(own.c.device_id, own.c.at, own.c.id).select_from(
            listed.join(own, sa.true())
        )
    else:
        old = sa.select(*key).join(listed, listed.c.id == rows_of.c.device_id).where(*past)
    return await tx.run(
        sa.delete(rows_of).where(*past, sa.tuple_(*key).in_(old.limit(rows))),
        tx.engine.listed_value([(device_id,) for device_id in device_ids]),
    )
