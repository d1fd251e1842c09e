"""The log lines table and every statement on it."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from moorage.core import timeline
from moorage.core.caller import DeviceRef
from moorage.core.logs.model import LogLine, LogRow, Placed, Wanted
from moorage.storage import Prepared, Row, Tx

_lines = timeline.timeline_table(
    "log_lines",
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
)

_RECENT = 2_000

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
    rows, next_cursor = await timeline.newest_first(
        tx,
        _lines,
        device,
        window=window,
        where=_among(services, severities),
        cursor=cursor,
        limit=limit,
    )
    return [_line(row) for row in rows], next_cursor


async def walk(  # noqa: PLR0913 - a query's parts
    tx: Tx, device: DeviceRef, wanted: Wanted, *, cursor: str | None, forward: bool, limit: int
) -> tuple[list[Placed], timeline.Span]:
    """One page, newest first, from a cursor either way."""
    span = await timeline.both_ways(
        tx,
        _lines,
        device,
        window=wanted.window,
        where=_among(wanted.services, wanted.severities),
        cursor=cursor,
        forward=forward,
        limit=limit,
        sought=_holding(wanted.text) if wanted.text else None,
    )
    return [Placed(row.id, _line(row)) for row in span.rows], span


async def services_of(tx: Tx, device: DeviceRef) -> list[str]:
    """Names of what wrote the last lines."""
    recent = (
        sa.select(_lines.c.service)
        .where(_lines.c.device_id == device.device_id)
        .order_by(_lines.c.at.desc(), _lines.c.id.desc())
        .limit(_RECENT)
        .subquery()
    )
    rows = await tx.rows(sa.select(recent.c.service).distinct().order_by(recent.c.service))
    return [row.service for row in rows]


async def after(  # noqa: PLR0913 - a query's parts
    tx: Tx, device: DeviceRef, wanted: Wanted, after_id: int, since: datetime, limit: int
) -> list[tuple[int, LogLine]]:
    """Lines of a device in order of storing, none older than ``since``, each with its row id."""
    where = _among(wanted.services, wanted.severities) + timeline.within(_lines, wanted.window)
    if wanted.text:
        where.append(_holding(wanted.text)(_lines))
    rows = await tx.rows(
        sa.select(_lines)
        .where(_lines.c.device_id == device.device_id, _lines.c.at >= since, _lines.c.id > after_id)
        .where(*where)
        .order_by(_lines.c.id)
        .limit(limit)
    )
    return [(row.id, _line(row)) for row in rows]


def _among(services: Sequence[str], severities: Sequence[str]) -> list[sa.ColumnElement[bool]]:
    where: list[sa.ColumnElement[bool]] = []
    if services:
        where.append(_lines.c.service.in_(services))
    if severities:
        where.append(_lines.c.severity.in_(severities))
    return where


def _holding(text: str) -> timeline.Sought:
    return lambda rows: rows.c.message.icontains(text, autoescape=True)


def _line(row: Row) -> LogLine:
    return LogLine(row.at, row.received_at, row.service, row.severity, row.message)


async def delete_some(
    tx: Tx, device_ids: Sequence[str], *, before: datetime | None, rows: int
) -> int:
    """Delete old rows."""
    return await timeline.delete_some(tx, _lines, device_ids, before=before, rows=rows)
