"""The events table and every statement on it."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from moorage.core import timeline
from moorage.core.caller import DeviceRef
from moorage.core.events.model import Event, EventRow
from moorage.storage import JsonText, Millis, Prepared, Row, Tx

_events = timeline.timeline_table(
    "events",
    sa.Column("workspace_id", sa.Text, nullable=False),
    sa.Column("live", sa.Boolean, nullable=False),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("entity_type", sa.Text, nullable=False),
    sa.Column("entity_id", sa.Text, nullable=False),
    sa.Column("description", sa.Text),
    sa.Column("error_code", sa.Text),
    sa.Column("metadata", JsonText, nullable=False),
    sa.Column("ended_at", Millis),
    # For whoever follows a whole workspace.
    sa.Index("ix_events_feed", "workspace_id", "live", "id"),
)


_APPEND = Prepared(lambda _: sa.insert(_events))


async def append(tx: Tx, rows: Sequence[EventRow]) -> None:
    """Append."""
    await tx.run_many(_APPEND, rows)


def append_one(tx: Tx, row: EventRow) -> None:
    """Append a row before the transaction ends."""
    tx.append(_APPEND, row)


async def list_events(  # noqa: PLR0913 - a query's parts
    tx: Tx,
    device: DeviceRef,
    window: timeline.Window,
    *,
    equal: dict[str, str],
    cursor: str | None,
    limit: int,
) -> tuple[list[Event], str | None]:
    """One page, newest first; ``equal`` maps columns to the value wanted."""
    rows, next_cursor = await timeline.newest_first(
        tx,
        _events,
        device,
        window=window,
        where=_equal(equal),
        cursor=cursor,
        limit=limit,
    )
    return [_event(row) for row in rows], next_cursor


async def walk_events(  # noqa: PLR0913 - a query's parts
    tx: Tx,
    device: DeviceRef,
    window: timeline.Window,
    *,
    equal: dict[str, str],
    families: Sequence[str],
    cursor: str | None,
    forward: bool,
    limit: int,
) -> tuple[list[Event], timeline.Span]:
    """One page, newest first, from a cursor either way."""
    span = await timeline.both_ways(
        tx,
        _events,
        device,
        window=window,
        where=[*_equal(equal), *_of_families(families)],
        cursor=cursor,
        forward=forward,
        limit=limit,
    )
    return [_event(row) for row in span.rows], span


async def after(
    tx: Tx, workspace_id: str, after_id: int, *, live: bool, limit: int
) -> list[tuple[int, str, Event]]:
    """Events of a workspace in order of storing, each with its row id and device."""
    rows = await tx.rows(
        sa.select(_events)
        .where(
            _events.c.workspace_id == workspace_id,
            _events.c.live == live,
            _events.c.id > after_id,
        )
        .order_by(_events.c.id)
        .limit(limit)
    )
    return [(row.id, row.device_id, _event(row)) for row in rows]


def _equal(equal: dict[str, str]) -> list[sa.ColumnElement[bool]]:
    return [_events.c[name] == value for name, value in equal.items()]


def _of_families(families: Sequence[str]) -> list[sa.ColumnElement[bool]]:
    """Return the condition that a name begins with one of these and a dot."""
    begins = [_events.c.event.startswith(f"{one}.", autoescape=True) for one in families]
    return [sa.or_(*begins)] if begins else []


def _event(row: Row) -> Event:
    return Event(
        id=row.event_id,
        event=row.event,
        at=row.at,
        received_at=row.received_at,
        entity_type=row.entity_type,
        entity_id=row.entity_id,
        description=row.description,
        error_code=row.error_code,
        metadata=row.metadata,
        ended_at=row.ended_at,
    )


async def delete_some(
    tx: Tx, device_ids: Sequence[str], *, before: datetime | None, rows: int
) -> int:
    """Delete old rows."""
    return await timeline.delete_some(tx, _events, device_ids, before=before, rows=rows)
