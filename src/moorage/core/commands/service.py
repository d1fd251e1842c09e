"""Sending, delivering, finishing commands. Each change of state is an event."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from moorage.core import audit, events
from moorage.core.caller import Caller, DeviceRef, Scope
from moorage.core.commands import rules, store
from moorage.core.commands.model import Command, CommandState, ResultRow
from moorage.core.errors import DomainError, Kind, not_found
from moorage.kit.ids import new_id
from moorage.kit.jsonvalue import check_json
from moorage.kit.pages import Page, decode_cursor, encode_cursor
from moorage.storage import Tx

_UNDER_WAY = (CommandState.QUEUED, CommandState.DELIVERED)
_STEP = 200


def topic_of(device_id: str) -> str:
    """Name the announcement that a device has something new to fetch."""
    return f"device:{device_id}"


async def send(  # noqa: PLR0913 - the parts of a command
    tx: Tx,
    caller: Caller,
    device: DeviceRef,
    *,
    kind: str,
    arguments: Mapping[str, Any],
    expires_in: timedelta = rules.DEFAULT_EXPIRY,
) -> Command:
    """Queue a command (``command:send``; ``command:reboot`` for a reboot).

    Raises:
        DomainError: ``missing_scope``; ``invalid`` naming the part.

    """
    caller.require(rules.scope_for(kind))
    rules.check(kind, arguments, expires_in)
    check_json(arguments, "/arguments")
    command_id = new_id("cmd_")
    await store.insert(
        tx,
        {
            "device_id": device.device_id,
            "id": command_id,
            "workspace_id": device.workspace_id,
            "live": device.live,
            "kind": kind,
            "arguments": dict(arguments),
            "state": CommandState.QUEUED,
            "open": True,
            "created_at": tx.now,
            "created_by": caller.actor,
            "expires_at": tx.now + expires_in,
        },
    )
    details = {"kind": kind, "command_id": command_id}
    await audit.record(tx, caller, "command.sent", device.device_id, details)
    await _tell(tx, device, command_id, CommandState.QUEUED)
    tx.announce(topic_of(device.device_id))
    return await _get(tx, device, command_id)


async def get(tx: Tx, caller: Caller, device: DeviceRef, command_id: str) -> Command:
    """Return a command of a device (``device:read``)."""
    caller.require(Scope.DEVICE_READ)
    return await _get(tx, device, command_id)


async def _get(tx: Tx, device: DeviceRef, command_id: str) -> Command:
    command = await store.find(tx, device, command_id)
    if command is None:
        raise not_found("command")
    return command


async def list_commands(
    tx: Tx, caller: Caller, device: DeviceRef, *, cursor: str | None, limit: int
) -> Page[Command]:
    """List a device's commands, newest first (``device:read``)."""
    caller.require(Scope.DEVICE_READ)
    before = str(decode_cursor(cursor, str)[0]) if cursor else None
    found = await store.list_commands(tx, device, before=before, limit=limit + 1)
    page = found[:limit]
    return Page(page, encode_cursor(page[-1].id) if len(found) > limit else None)


async def cancel(tx: Tx, caller: Caller, device: DeviceRef, command_id: str) -> Command:
    """Take a command back (``command:send``); one that is delivered may still run.

    Raises:
        DomainError: ``conflict`` when it is finished already.

    """
    caller.require(Scope.COMMAND_SEND)
    command = await _get(tx, device, command_id)
    to = CommandState.CANCELLED
    if not await store.move(tx, device.device_id, command_id, to=to, out_of=_UNDER_WAY):
        raise DomainError(
            Kind.CONFLICT,
            "command_finished",
            f"the command is {command.state} already; only one under way can be cancelled",
        )
    await audit.record(
        tx, caller, "command.cancelled", device.device_id, {"command_id": command_id}
    )
    await _tell(tx, device, command_id, to)
    return await _get(tx, device, command_id)


async def find_under_way(tx: Tx, device: DeviceRef, command_id: str) -> Command | None:
    """Return a command that a device was given and has not finished, for what belongs to it."""
    found = await store.find(tx, device, command_id)
    return found if found is not None and found.state in _UNDER_WAY else None


async def any_open(tx: Tx, device: DeviceRef) -> bool:
    """Whether there is something to ``take``: for whoever would rather not write to find out."""
    return bool(await store.find_open(tx, [device.device_id]))


async def take(tx: Tx, devices: Sequence[DeviceRef]) -> dict[str, Sequence[Command]]:
    """Return what each device is to do, and note it as delivered.

    A command comes with every answer until its result is in: the device remembers what it ran.
    """
    by_id = {device.device_id: device for device in devices}
    waiting = await store.find_open(tx, list(by_id))
    taken: dict[str, Sequence[Command]] = {}
    for device_id, command_ids in waiting.items():
        found = [
            command
            for command in await store.find_many(tx, device_id, command_ids)
            if command.expires_at > tx.now
        ]
        for command in found:
            to, out_of = CommandState.DELIVERED, (CommandState.QUEUED,)
            if await store.move(tx, device_id, command.id, to=to, out_of=out_of):
                await _tell(tx, by_id[device_id], command.id, to)
        taken[device_id] = found
    return taken


async def record_results(tx: Tx, rows: Sequence[ResultRow]) -> int:
    """Note results devices report; return how many belonged to no command under way."""
    strays = 0
    for row in rows:
        to = CommandState(row["state"])
        values = {"result": row["result"], "error": row["error"]}
        # A result that comes after the expiry is still what happened.
        out_of = (*_UNDER_WAY, CommandState.EXPIRED)
        moved = await store.move(
            tx, row["device_id"], row["id"], to=to, out_of=out_of, values=values
        )
        if moved:
            device = DeviceRef(row["device_id"], row["workspace_id"], row["live"])
            await _tell(tx, device, row["id"], to)
        strays += not moved
    return strays


async def expire(tx: Tx) -> int:
    """End commands past their time, a step at a time; return how many."""
    overdue = await store.find_overdue(tx, _STEP)
    for row in overdue:
        to = CommandState.EXPIRED
        if await store.move(tx, row.device_id, row.id, to=to, out_of=_UNDER_WAY):
            device = DeviceRef(row.device_id, row.workspace_id, row.live)
            await _tell(tx, device, row.id, to)
    return len(overdue)


async def _tell(tx: Tx, device: DeviceRef, command_id: str, state: CommandState) -> None:
    text = events.EventText(
        f"command.{state}", f"the command is {state}", metadata={"command_id": command_id}
    )
    await events.record(tx, device, text)
