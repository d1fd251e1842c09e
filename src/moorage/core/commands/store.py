"""The commands table and every statement on it."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from moorage.core.caller import DeviceRef
from moorage.core.commands.model import Command, CommandState
from moorage.storage import JsonText, Millis, Prepared, Row, Tx, table

_commands = table(
    "commands",
    sa.Column("device_id", sa.ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("workspace_id", sa.Text, nullable=False),
    sa.Column("live", sa.Boolean, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    # Sealed: a document to be planned holds what the config does.
    sa.Column("arguments", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("open", sa.Boolean, nullable=False),
    sa.Column("created_at", Millis, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("expires_at", Millis, nullable=False),
    sa.Column("delivered_at", Millis),
    sa.Column("finished_at", Millis),
    sa.Column("result", JsonText),
    sa.Column("error", sa.Text),
    # Commands under way are few; reports ask for them every time.
    sa.Index("ix_commands_open", "open", "device_id"),
)


def _command(tx: Tx, row: Row) -> Command:
    return Command(
        id=row.id,
        device_id=row.device_id,
        kind=row.kind,
        arguments=tx.vault.open(row.arguments),
        state=CommandState(row.state),
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
        delivered_at=row.delivered_at,
        finished_at=row.finished_at,
        result=row.result,
        error=row.error,
    )


async def insert(tx: Tx, values: Mapping[str, Any]) -> None:
    """Insert a command."""
    sealed = tx.vault.seal(values["arguments"])
    await tx.run(sa.insert(_commands), {**values, "arguments": sealed})


async def find(tx: Tx, device: DeviceRef, command_id: str) -> Command | None:
    """By id, one of the device's."""
    row = await tx.row(
        sa.select(_commands).where(
            _commands.c.device_id == device.device_id, _commands.c.id == command_id
        )
    )
    return row and _command(tx, row)


async def list_commands(
    tx: Tx, device: DeviceRef, *, before: str | None, limit: int
) -> Sequence[Command]:
    """Newest first."""
    chosen = sa.select(_commands).where(_commands.c.device_id == device.device_id)
    if before is not None:
        chosen = chosen.where(_commands.c.id < before)
    return [
        _command(tx, row)
        for row in await tx.rows(chosen.order_by(_commands.c.id.desc()).limit(limit))
    ]


_HAVE_OPEN = Prepared(
    lambda engine: (
        sa.select(_commands.c.device_id, _commands.c.id)
        .join(listed := engine.listed("id"), listed.c.id == _commands.c.device_id)
        .where(_commands.c.open)
        .order_by(_commands.c.device_id, _commands.c.id)
    )
)


async def find_open(tx: Tx, device_ids: Sequence[str]) -> dict[str, list[str]]:
    """Ids of commands not yet finished, by device, oldest first."""
    listed = tx.engine.listed_value([(device_id,) for device_id in device_ids])
    found: dict[str, list[str]] = {}
    for device_id, command_id in await tx.plain_rows_of(_HAVE_OPEN, listed):
        found.setdefault(device_id, []).append(command_id)
    return found


async def find_many(tx: Tx, device_id: str, command_ids: Sequence[str]) -> Sequence[Command]:
    """By id, oldest first."""
    rows = await tx.rows(
        sa.select(_commands)
        .where(_commands.c.device_id == device_id, _commands.c.id.in_(command_ids))
        .order_by(_commands.c.id)
    )
    return [_command(tx, row) for row in rows]


async def move(  # noqa: PLR0913 - a conditional change's parts
    tx: Tx,
    device_id: str,
    command_id: str,
    *,
    to: CommandState,
    out_of: Sequence[CommandState],
    values: Mapping[str, Any] | None = None,
) -> bool:
    """Change a command's state if it is in one of these; return whether it was."""
    still_open = to in (CommandState.QUEUED, CommandState.DELIVERED)
    stamp = {"delivered_at": tx.now} if still_open else {"finished_at": tx.now}
    changed = await tx.run(
        sa.update(_commands)
        .where(
            _commands.c.device_id == device_id,
            _commands.c.id == command_id,
            _commands.c.state.in_(out_of),
        )
        .values(state=to, open=still_open, **stamp, **(values or {}))
    )
    return changed == 1


async def find_overdue(tx: Tx, limit: int) -> Sequence[Row]:
    """Commands past their expiry that nobody finished."""
    return await tx.rows(
        sa.select(_commands.c.device_id, _commands.c.id, _commands.c.workspace_id, _commands.c.live)
        .where(_commands.c.open, _commands.c.expires_at < tx.now)
        .limit(limit)
    )
