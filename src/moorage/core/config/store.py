"""The config tables and every statement on them."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from moorage.core.config.model import AppliedRow, Layer
from moorage.storage import JsonText, Millis, Prepared, Row, Tx, table

_layers = table(
    "config_layers",
    sa.Column("workspace_id", sa.ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("patch", JsonText, nullable=False),
    sa.Column("updated_at", Millis, nullable=False),
)
_revisions = table(
    "config_revisions",
    sa.Column("device_id", sa.ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("own", JsonText, nullable=False),
    sa.Column("document", JsonText, nullable=False),
    sa.Column("origins", JsonText, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("created_at", Millis, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
)
_states = table(
    "config_states",
    sa.Column("device_id", sa.ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("reported_revision", sa.BigInteger),
    sa.Column("reported_digest", sa.Text),
    sa.Column("reported_state", sa.Text),
    sa.Column("reported_error", sa.Text),
    sa.Column("reported_at", Millis),
    clustered=True,
)


async def layers_of(tx: Tx, workspace_id: str) -> list[Layer]:
    """The workspace's layers, lowest first."""
    rows = await tx.rows(
        sa.select(_layers)
        .where(_layers.c.workspace_id == workspace_id)
        .order_by(_layers.c.position, _layers.c.name)
    )
    return [Layer(row.name, row.patch) for row in rows]


async def insert_state(tx: Tx, device_id: str, revision: int) -> None:
    """Begin a device's config."""
    await tx.run(sa.insert(_states), {"device_id": device_id, "revision": revision})


async def set_revision(tx: Tx, device_id: str, revision: int) -> None:
    """Make a revision the desired one."""
    await tx.run(
        sa.update(_states).where(_states.c.device_id == device_id).values(revision=revision)
    )


async def insert_revision(tx: Tx, values: Mapping[str, Any]) -> None:
    """Append a revision."""
    await tx.run(sa.insert(_revisions), values)


async def find_desired(tx: Tx, device_id: str, *, lock: bool = False) -> Row | None:
    """Return the desired revision with what was last reported; locked for a change when asked."""
    chosen = (
        sa.select(_revisions, *(c for c in _states.c if c.name.startswith("reported_")))
        .join(
            _states,
            sa.and_(
                _states.c.device_id == _revisions.c.device_id,
                _states.c.revision == _revisions.c.revision,
            ),
        )
        .where(_states.c.device_id == device_id)
    )
    return await tx.row(chosen.with_for_update(of=_states) if lock else chosen)


_CURRENT_REVISIONS = Prepared(
    lambda engine: sa.select(_states.c.device_id, _states.c.revision).join(
        listed := engine.listed("id"), listed.c.id == _states.c.device_id
    )
)


async def current_revisions(tx: Tx, device_ids: Sequence[str]) -> dict[str, int]:
    """Desired revision by device."""
    listed = tx.engine.listed_value([(device_id,) for device_id in device_ids])
    return {row.device_id: row.revision for row in await tx.rows_of(_CURRENT_REVISIONS, listed)}


async def record_applied(tx: Tx, rows: Sequence[AppliedRow]) -> None:
    """Keep what devices last reported of their config."""
    await tx.run(
        sa.update(_states)
        .where(_states.c.device_id == sa.bindparam("_device_id"))
        .values(
            reported_revision=sa.bindparam("_revision"),
            reported_digest=sa.bindparam("_digest"),
            reported_state=sa.bindparam("_state"),
            reported_error=sa.bindparam("_error"),
            reported_at=tx.now,
        ),
        [{f"_{name}": value for name, value in row.items()} for row in rows],
    )
