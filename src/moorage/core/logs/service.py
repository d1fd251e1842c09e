"""Appending lines and reading them."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from moorage.core.caller import Caller, DeviceRef, Scope
from moorage.core.logs import store
from moorage.core.logs.model import LogLine, LogRow, Stretch, Wanted
from moorage.core.timeline import Window
from moorage.kit.pages import BadCursorError, Page, decode_cursor, encode_cursor
from moorage.storage import Tx

_FOLLOWED = timedelta(hours=1)
_LARGEST_ID = 2**63 - 1


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


async def walk(  # noqa: PLR0913 - a query's parts
    tx: Tx,
    caller: Caller,
    device: DeviceRef,
    wanted: Wanted,
    *,
    cursor: str | None,
    forward: bool,
    limit: int,
) -> Stretch:
    """Read the lines before a cursor, or with ``forward`` those after it (``device:read``).

    Without a cursor these are the last ones, or the first. A text is looked for in 20,000 lines at
    a time: fewer lines than ``limit``, or none, do not mean that there are no others.
    """
    caller.require(Scope.DEVICE_READ)
    lines, span = await store.walk(tx, device, wanted, cursor=cursor, forward=forward, limit=limit)
    beginning = cursor is None
    if forward:
        return Stretch(lines, None if beginning else span.older, span.newer if span.more else None)
    return Stretch(lines, span.older if span.more else None, None if beginning else span.newer)


async def around(  # noqa: PLR0913 - a query's parts
    tx: Tx, caller: Caller, device: DeviceRef, wanted: Wanted, cursor: str, *, limit: int
) -> Stretch:
    """Read a line with up to ``limit`` before and after it (``device:read``)."""
    at, row_id = decode_cursor(cursor, int, int)
    if not isinstance(row_id, int) or row_id >= _LARGEST_ID:
        raise BadCursorError(cursor)
    upto = encode_cursor(at, row_id + 1)
    before = await walk(tx, caller, device, wanted, cursor=upto, forward=False, limit=limit + 1)
    after = await walk(tx, caller, device, wanted, cursor=cursor, forward=True, limit=limit)
    return Stretch([*after.lines, *before.lines], before.older, after.newer)


async def services_of(tx: Tx, caller: Caller, device: DeviceRef) -> list[str]:
    """Name what wrote the last few thousand lines (``device:read``)."""
    caller.require(Scope.DEVICE_READ)
    return await store.services_of(tx, device)


async def follow(  # noqa: PLR0913 - a query's parts
    tx: Tx,
    caller: Caller,
    device: DeviceRef,
    after_id: int,
    *,
    limit: int,
    wanted: Wanted | None = None,
) -> list[tuple[int, LogLine]]:
    """Read lines as they were stored, oldest first, each with its row id (``device:read``).

    For following along: what was over an hour old when it came, a backlog, is for ``list_lines``.
    """
    caller.require(Scope.DEVICE_READ)
    return await store.after(tx, device, wanted or Wanted(), after_id, tx.now - _FOLLOWED, limit)


async def purge(tx: Tx, device_ids: Sequence[str], *, before: datetime | None, rows: int) -> int:
    """Delete up to ``rows`` lines of these devices, from before a time or all."""
    return await store.delete_some(tx, device_ids, before=before, rows=rows)
