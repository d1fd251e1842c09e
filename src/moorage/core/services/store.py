"""The services table and every statement on it."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from moorage.storage import Millis, Row, Tx, table

_states = table(
    "service_states",
    sa.Column("device_id", sa.ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("state", sa.Text),
    sa.Column("image", sa.Text),
    sa.Column("restarts", sa.BigInteger),
    sa.Column("cpu_percent", sa.Double),
    sa.Column("memory_mb", sa.Double),
    sa.Column("error", sa.Text),
    sa.Column("reported_at", Millis, nullable=False),
)


async def replace_states(tx: Tx, device_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Make these the device's services."""
    await tx.run(sa.delete(_states).where(_states.c.device_id == device_id))
    if rows:
        unique = {row["name"]: row for row in rows}
        await tx.run(
            sa.insert(_states),
            [{**row, "device_id": device_id, "reported_at": tx.now} for row in unique.values()],
        )


async def states_of(tx: Tx, device_id: str) -> Sequence[Row]:
    """What the device last reported of its services, by name."""
    return await tx.rows(
        sa.select(_states).where(_states.c.device_id == device_id).order_by(_states.c.name)
    )


async def with_state(tx: Tx, owned: Any, state: str) -> Sequence[Row]:
    """Services of these devices that reported a state: device_id, name."""
    return await tx.rows(
        sa.select(_states.c.device_id, _states.c.name)
        .where(_states.c.state == state, _states.c.device_id.in_(owned))
        .order_by(_states.c.device_id, _states.c.name)
    )
