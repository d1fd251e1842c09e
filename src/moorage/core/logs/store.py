"""The log lines table and every statement on it."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from moorage.core import timeline
from moorage.core.caller import DeviceRef
from moorage.core.logs.model import LogLine, LogRow
from moorage.storage import Prepared, Tx

_lines = timeline.timeline_table(
    "log_lines",
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
)


_APPEND = Prepared(lambda _: sa.insert(_lines), order=LogRow._fields)


async def append(tx: Tx, rows: Sequence[LogRow]) -> None:
    """Append."""
    await tx.run_rows(_APPEND, rows)


async def list_lines(  # noqa: PLR0913 - a query's parts
    tx: Tx,
    device: DeviceRef,
    window: timeline.Window,
    *,
    services: Sequence[str],
    severities: Sequence[str],
    cursor: str | None,
    limit: int,
) -> tuple[list[LogLine], str | None]:
    """One page, newest first."""
    where = []
    if services:
        where.append(_lines.c.service.in_(services))
    if severities:
        where.append(_lines.c.severity.in_(severities))
    rows, next_cursor = await timeline.newest_first(
        tx, _lines, device, window=window, where=where, cursor=cursor, limit=limit
    )
    return [
        LogLine(row.at, row.received_at, row.service, row.severity, row.message) for row in rows
    ], next_cursor


async def after(
    tx: Tx, device: DeviceRef, after_id: int, since: datetime, limit: int
) -> list[tuple[int, LogLine]]:
    """Lines of a device in order of storing, none older than ``since``, each with its row id."""
    rows = await tx.rows(
        sa.select(_lines)
        .where(_lines.c.device_id == device.device_id, _lines.c.at >= since, _lines.c.id > after_id)
        .order_by(_lines.c.id)
        .limit(limit)
    )
    return [
        (row.id, LogLine(row.at, row.received_at, row.service, row.severity, row.message))
        for row in rows
    ]


async def delete_some(
    tx: Tx, device_ids: Sequence[str], *, before: datetime | None, rows: int
) -> int:
    """Delete old rows."""
    return await timeline.delete_some(tx, _lines, device_ids, before=before, rows=rows)
