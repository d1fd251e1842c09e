"""The events table and every statement on it."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from moorage.core import timeline
from moorage.core.caller import DeviceRef
from moorage.core.events.model import Event, EventRow
from moorage.storage import JsonText, Millis, Prepared, Tx

_events = timeline.timeline_table(
    "events",
    sa.Column("workspace_id", sa.Text, nullable=False),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("entity_type", sa.Text, nullable=False),
    sa.Column("entity_id", sa.Text, nullable=False),
    sa.Column("description", sa.Text),
    sa.Column("error_code", sa.Text),
    sa.Column("metadata", JsonText, nullable=False),
    sa.Column("ended_at", Millis),
)


_APPEND = Prepared(lambda _: sa.insert(_events))


async def append(tx: Tx, rows: Sequence[EventRow]) -> None:
    """Append."""
    await tx.run_many(_APPEND, rows)


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
        where=[_events.c[name] == value for name, value in equal.items()],
        cursor=cursor,
        limit=limit,
    )
    return [
        Event(
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
        for row in rows
    ], next_cursor


async def delete_some(
    tx: Tx, device_ids: Sequence[str], *, before: datetime | None, rows: int
) -> int:
    """Delete old rows."""
    return await timeline.delete_some(tx, _events, device_ids, before=before, rows=rows)
