"""The environments table and every statement on it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from moorage.core.environments.model import Environment, State
from moorage.storage import Millis, Prepared, Row, Tx, table

# No foreign keys: a row may be there before its device, and is until all outside is cleared up.
_environments = table(
    "environments",
    sa.Column("device_id", sa.Text, primary_key=True),
    sa.Column("workspace_id", sa.Text, nullable=False),
    sa.Column("live", sa.Boolean, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("endpoint_id", sa.BigInteger),
    sa.Column("edge_key", sa.Text),
    sa.Column("handed_over_at", Millis),
    sa.Column("tries", sa.Integer, nullable=False),
    # When it is somebody's turn to do something about it; null: nothing is to be done.
    sa.Column("next_at", Millis, index=True),
    sa.Column("error", sa.Text),
    sa.Column("created_at", Millis, nullable=False),
)


def _environment(tx: Tx, row: Row) -> Environment:
    return Environment(
        device_id=row.device_id,
        workspace_id=row.workspace_id,
        live=row.live,
        state=State(row.state),
        endpoint_id=row.endpoint_id,
        error=row.error,
        edge_key=None if row.edge_key is None else tx.vault.open(row.edge_key),
        handed_over_at=row.handed_over_at,
        tries=row.tries,
    )


async def insert(tx: Tx, values: Mapping[str, Any]) -> bool:
    """Insert a row unless the device has one; return whether it was."""
    row = {"tries": 0, "created_at": tx.now, **values}
    return bool(await tx.run(tx.engine.insert(_environments).on_conflict_do_nothing(), row))


async def find(tx: Tx, device_id: str) -> Environment | None:
    """By device."""
    row = await tx.row(sa.select(_environments).where(_environments.c.device_id == device_id))
    return None if row is None else _environment(tx, row)


async def find_many(tx: Tx, device_ids: Sequence[str]) -> dict[str, Environment]:
    """By device, of those that have one."""
    rows = await tx.rows(sa.select(_environments).where(_environments.c.device_id.in_(device_ids)))
    return {row.device_id: _environment(tx, row) for row in rows}


_WAITING = Prepared(
    lambda engine: (
        sa.select(_environments.c.device_id)
        .join(listed := engine.listed("id"), listed.c.id == _environments.c.device_id)
        .where(_environments.c.edge_key.is_not(None), _environments.c.handed_over_at.is_(None))
    )
)


async def waiting(tx: Tx, device_ids: Sequence[str]) -> set[str]:
    """Devices whose key is there and was not given yet."""
    listed = tx.engine.listed_value([(device_id,) for device_id in device_ids])
    return {row.device_id for row in await tx.rows_of(_WAITING, listed)}


async def move(
    tx: Tx, device_id: str, *, out_of: Sequence[State], values: Mapping[str, Any]
) -> bool:
    """Change a row if it stands in one of these states; return whether it did."""
    standing = sa.and_(_environments.c.device_id == device_id, _environments.c.state.in_(out_of))
    return await tx.run(sa.update(_environments).where(standing).values(**values)) == 1


async def take_first_turn(tx: Tx, device_id: str, latest: datetime, until: datetime) -> bool:
    """Put off the turn of a row that is to be made, if it comes by ``latest``."""
    fresh = sa.and_(
        _environments.c.device_id == device_id,
        _environments.c.state == State.PENDING,
        _environments.c.next_at <= latest,
    )
    return await tx.run(sa.update(_environments).where(fresh).values(next_at=until)) == 1


async def mark_handed_over(tx: Tx, device_id: str) -> bool:
    """Note that the key was given out; False when there is none, or it was before."""
    first = sa.and_(
        _environments.c.device_id == device_id,
        _environments.c.state == State.READY,
        _environments.c.handed_over_at.is_(None),
    )
    return await tx.run(sa.update(_environments).where(first).values(handed_over_at=tx.now)) == 1


async def next_due(tx: Tx) -> datetime | None:
    """When the next row's turn is, or None."""
    row = await tx.row(sa.select(sa.func.min(_environments.c.next_at).label("at")))
    return None if row is None else row.at


async def find_due(tx: Tx, limit: int) -> Sequence[Row]:
    """Rows whose turn it is, by device and the time of their turn, longest due first."""
    return await tx.rows(
        sa.select(_environments.c.device_id, _environments.c.next_at)
        .where(_environments.c.next_at <= tx.now)
        .order_by(_environments.c.next_at, _environments.c.device_id)
        .limit(limit)
    )


async def take_turn(tx: Tx, device_id: str, seen: datetime, until: datetime) -> bool:
    """Put off a row's turn if nobody did since it was seen."""
    same = sa.and_(_environments.c.device_id == device_id, _environments.c.next_at == seen)
    return await tx.run(sa.update(_environments).where(same).values(next_at=until)) == 1


async def wake_stopped(tx: Tx) -> int:
    """Give a turn again to all that were refused; return how many."""
    refused = sa.update(_environments).where(_environments.c.state == State.REFUSED)
    ending = sa.update(_environments).where(
        _environments.c.state == State.ENDING, _environments.c.next_at.is_(None)
    )
    count = await tx.run(refused.values(state=State.PENDING, next_at=tx.now, tries=0))
    return count + await tx.run(ending.values(next_at=tx.now, tries=0))


async def delete(tx: Tx, device_id: str, state: State) -> bool:
    """Delete a row that stands in a state."""
    which = sa.and_(_environments.c.device_id == device_id, _environments.c.state == state)
    return await tx.run(sa.delete(_environments).where(which)) == 1
