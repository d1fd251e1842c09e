"""Appending lines and reading them."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from moorage.core.caller import Caller, DeviceRef, Scope
from moorage.core.logs import store
from moorage.core.logs.model import LogLine, LogRow
from moorage.core.timeline import Window
from moorage.kit.pages import Page
from moorage.storage import Tx

_FOLLOWED = timedelta(hours=1)


async def append(tx: Tx, rows: Sequence[LogRow]) -> None:
    """Append lines. Ingest calls this; each row names its device."""
    if rows:
        await store.append(tx, rows)


async def list_lines(  # noqa: PLR0913 - a query's parts
    tx: Tx,
    caller: Caller,
    device: DeviceRef,
    window: Window,
    *,
    services: Sequence[str] = (),
    severities: Sequence[str] = (),
    cursor: str | None,
    limit: int,
) -> Page[LogLine]:
    """List lines, newest first (``device:read``). An empty filter lets everything through."""
    caller.require(Scope.DEVICE_READ)
    items, next_cursor = await store.list_lines(
        tx, device, window, services=services, severities=severities, cursor=cursor, limit=limit
    )
    return Page(items, next_cursor)


async def follow(
    tx: Tx, caller: Caller, device: DeviceRef, after_id: int, *, limit: int
) -> list[tuple[int, LogLine]]:
    """Read lines as they were stored, oldest first, each with its row id (``device:read``).

    For following along: what was over an hour old when it came, a backlog, is for ``list_lines``.
    """
    caller.require(Scope.DEVICE_READ)
    return await store.after(tx, device, after_id, tx.now - _FOLLOWED, limit)


async def purge(tx: Tx, device_ids: Sequence[str], *, before: datetime | None, rows: int) -> int:
    """Delete up to ``rows`` lines of these devices, from before a time or all."""
    return await store.delete_some(tx, device_ids, before=before, rows=rows)
