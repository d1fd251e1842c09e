"""Appending events and reading them."""

from collections.abc import Sequence
from datetime import datetime

from moorage.core.caller import Caller, DeviceRef, Scope
from moorage.core.events import store
from moorage.core.events.model import Event, EventRow, EventText
from moorage.core.timeline import Span, Window
from moorage.kit.ids import new_id, new_row_id
from moorage.kit.pages import Page
from moorage.storage import Tx


async def append(tx: Tx, rows: Sequence[EventRow]) -> None:
    """Append events. Ingest calls this; each row names its workspace and device."""
    if rows:
        await store.append(tx, rows)
        for workspace_id in {row["workspace_id"] for row in rows}:
            _announce(tx, workspace_id)


def row_of(device: DeviceRef, text: EventText, now: datetime) -> EventRow:
    """Return the row of something we saw ourselves, now, about a device."""
    return {
        "device_id": device.device_id,
        "at": now,
        "id": new_row_id(),
        "device_at": None,
        "received_at": now,
        "workspace_id": device.workspace_id,
        "live": device.live,
        "event_id": new_id("evt_"),
        "event": text.event,
        "entity_type": "device",
        "entity_id": device.device_id,
        "description": text.description,
        "error_code": text.error_code,
        "metadata": dict(text.metadata),
        "ended_at": None,
    }


async def record(tx: Tx, device: DeviceRef, text: EventText) -> None:
    """Append one event we saw ourselves."""
    store.append_one(tx, row_of(device, text, tx.now))
    _announce(tx, device.workspace_id)


def topic_of(workspace_id: str) -> str:
    """Name the announcement that something happened in a workspace."""
    return f"events:{workspace_id}"


def _announce(tx: Tx, workspace_id: str) -> None:
    # Each report may hold events. Whoever follows them looks every second anyway.
    tx.announce(topic_of(workspace_id), sure=False)


async def list_events(  # noqa: PLR0913 - a query's parts
    tx: Tx,
    caller: Caller,
    device: DeviceRef,
    window: Window,
    *,
    entity_type: str | None = None,
    entity_id: str | None = None,
    event: str | None = None,
    cursor: str | None,
    limit: int,
) -> Page[Event]:
    """List events, newest first (``device:read``)."""
    caller.require(Scope.DEVICE_READ)
    equal = _given(entity_type=entity_type, entity_id=entity_id, event=event)
    items, next_cursor = await store.list_events(
        tx, device, window, equal=equal, cursor=cursor, limit=limit
    )
    return Page(items, next_cursor)


async def walk_events(  # noqa: PLR0913 - a query's parts
    tx: Tx,
    caller: Caller,
    device: DeviceRef,
    window: Window,
    *,
    entity_type: str | None = None,
    entity_id: str | None = None,
    event: str | None = None,
    families: Sequence[str] = (),
    cursor: str | None,
    forward: bool,
    limit: int,
) -> tuple[list[Event], Span]:
    """Read events newest first, from a cursor back or forward in time (``device:read``).

    ``families`` are first parts of names: ``command`` for ``command.queued`` and all its like.
    """
    caller.require(Scope.DEVICE_READ)
    equal = _given(entity_type=entity_type, entity_id=entity_id, event=event)
    return await store.walk_events(
        tx,
        device,
        window,
        equal=equal,
        families=families,
        cursor=cursor,
        forward=forward,
        limit=limit,
    )


def _given(**wanted: str | None) -> dict[str, str]:
    return {name: value for name, value in wanted.items() if value is not None}


async def follow(
    tx: Tx, caller: Caller, after_id: int, *, limit: int
) -> list[tuple[int, str, Event]]:
    """Read events of the caller's whole workspace, oldest first (``device:read``).

    ``after_id`` is the row id to go on from (``kit.ids.row_id_at`` for a time). Each comes with its
    row id and its device's id. Rows of other servers may be stored a moment late: whoever follows
    goes back a little each time and leaves out what it has.
    """
    caller.require(Scope.DEVICE_READ)
    return await store.after(tx, caller.workspace_id, after_id, live=caller.live, limit=limit)


async def purge(tx: Tx, device_ids: Sequence[str], *, before: datetime | None, rows: int) -> int:
    """Delete up to ``rows`` events of these devices, from before a time or all."""
    return await store.delete_some(tx, device_ids, before=before, rows=rows)
