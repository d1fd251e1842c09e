"""The virtual devices table and every statement on it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from moorage.storage import JsonText, Millis, Row, Tx, table

_virtual = table(
    "virtual_devices",
    sa.Column("device_id", sa.ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("workspace_id", sa.Text, nullable=False),
    sa.Column("live", sa.Boolean, nullable=False),
    sa.Column("slot", sa.Integer, nullable=False),
    sa.Column("profile", sa.Text, nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("online", sa.Boolean, nullable=False),
    sa.Column("faulty", sa.Boolean, nullable=False),
    # Its own device key, sealed: a virtual device has no disk to keep it on.
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("happenings", JsonText, nullable=False),
    # Who drives it, and until when; another may take it after that.
    sa.Column("driver", sa.Text),
    sa.Column("driven_until", Millis),
    # Two requests that make devices at once cannot go beyond the limit together.
    sa.UniqueConstraint("workspace_id", "slot"),
)


async def insert(tx: Tx, values: Mapping[str, Any]) -> None:
    """Insert a row. Raises UniqueViolation when the slot was taken a moment earlier."""
    sealed = tx.vault.seal(values["key"])
    row = {"online": True, "faulty": False, "happenings": [], **values, "key": sealed}
    await tx.run(sa.insert(_virtual), row)


async def slots(tx: Tx, workspace_id: str) -> set[int]:
    """Slots that are taken in a workspace."""
    rows = await tx.rows(sa.select(_virtual.c.slot).where(_virtual.c.workspace_id == workspace_id))
    return {row.slot for row in rows}


async def list_rows(tx: Tx, workspace_id: str, *, live: bool) -> Sequence[Row]:
    """Rows of a workspace's mode, by slot."""
    return await tx.rows(
        sa.select(_virtual)
        .where(_virtual.c.workspace_id == workspace_id, _virtual.c.live == live)
        .order_by(_virtual.c.slot)
    )


async def find(tx: Tx, workspace_id: str, device_id: str, *, lock: bool = False) -> Row | None:
    """Return a row."""
    found = sa.select(_virtual).where(
        _virtual.c.workspace_id == workspace_id, _virtual.c.device_id == device_id
    )
    return await tx.row(found.with_for_update() if lock else found)


async def update(tx: Tx, device_id: str, values: Mapping[str, Any]) -> None:
    """Change a row."""
    await tx.run(sa.update(_virtual).where(_virtual.c.device_id == device_id).values(**values))


def _to_take(driver: str, now: datetime) -> Any:
    """Which rows a driver may take: those nobody drives, or not any more, and its own."""
    return sa.or_(
        _virtual.c.driver.is_(None), _virtual.c.driver == driver, _virtual.c.driven_until <= now
    )


async def any_to_take(tx: Tx, driver: str) -> bool:
    """Whether there is a row that a driver may take or has."""
    found = sa.select(_virtual.c.device_id).where(_to_take(driver, tx.now)).limit(1)
    return await tx.row(found) is not None


async def take(tx: Tx, driver: str, until: datetime) -> Sequence[Row]:
    """Take what may be taken; return all that the driver then has, as it was before.

    Locked in one order, so that two servers cannot wait for each other.
    """
    wanted = sa.select(_virtual).where(_to_take(driver, tx.now)).order_by(_virtual.c.device_id)
    rows = await tx.rows(wanted.with_for_update())
    taken = [row.device_id for row in rows]
    if taken:
        chosen = sa.update(_virtual).where(_virtual.c.device_id.in_(taken))
        await tx.run(chosen.values(driver=driver, driven_until=until, happenings=[]))
    return rows


async def let_go(tx: Tx, driver: str) -> None:
    """Give back what a driver has."""
    mine = sa.update(_virtual).where(_virtual.c.driver == driver)
    await tx.run(mine.values(driver=None, driven_until=None))
