"""The services table and every statement on it."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from moorage.kit.clock import to_ms
from moorage.storage import Millis, Prepared, Row, Tx, table

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


_TOLD = ("state", "image", "restarts", "cpu_percent", "memory_mb", "error")
_DELETE = Prepared(
    lambda _: sa.delete(_states).where(_states.c.device_id == sa.bindparam("_device_id")),
    order=("_device_id",),
)
_INSERT = Prepared(lambda _: sa.insert(_states), order=("device_id", "name", *_TOLD, "reported_at"))


async def replace_states(tx: Tx, states: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Make these the devices' services.

    The devices are taken in the order of their ids, so that two writers cannot deadlock.
    """
    device_ids = sorted(states)
    await tx.run_rows(_DELETE, [(device_id,) for device_id in device_ids])
    now = to_ms(tx.now)
    told = [
        (device_id, name, *(row[part] for part in _TOLD), now)
        for device_id in device_ids
        for name, row in {row["name"]: row for row in states[device_id]}.items()
    ]
    if told:
        await tx.run_rows(_INSERT, told)


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
