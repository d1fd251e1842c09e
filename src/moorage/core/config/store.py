"""The config tables and every statement on them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from moorage.core.config.model import AppliedRow, Layer, Revision
from moorage.storage import JsonText, Millis, Prepared, Row, Tx, table

_layers = table(
    "config_layers",
    sa.Column("workspace_id", sa.ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("patch", sa.Text, nullable=False),
    sa.Column("updated_at", Millis, nullable=False),
)
_revisions = table(
    "config_revisions",
    sa.Column("device_id", sa.ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
    # Sealed: documents hold passwords of cameras and registries.
    sa.Column("own", sa.Text, nullable=False),
    sa.Column("lower", sa.Text, nullable=False),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("origins", JsonText, nullable=False),
    sa.Column("changed", JsonText, nullable=False),
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

_SEALED = ("own", "lower", "document")

_INSERT_STATE = Prepared(lambda _: sa.insert(_states))
_INSERT_REVISION = Prepared(lambda _: sa.insert(_revisions))
_LAYERS = Prepared(
    lambda _: (
        sa.select(_layers)
        .where(_layers.c.workspace_id == sa.bindparam("_workspace_id"))
        .order_by(_layers.c.position, _layers.c.name)
    )
)


async def layers_of(tx: Tx, workspace_id: str) -> list[Layer]:
    """The workspace's layers, lowest first."""
    rows = await tx.rows_of(_LAYERS, {"_workspace_id": workspace_id})
    return [Layer(row.name, tx.vault.open(row.patch)) for row in rows]


async def set_revision(tx: Tx, device_id: str, revision: int) -> None:
    """Make a revision the desired one."""
    await tx.run(
        sa.update(_states).where(_states.c.device_id == device_id).values(revision=revision)
    )


async def set_layer(tx: Tx, workspace_id: str, layer: Layer, position: int) -> None:
    """Put a layer in its place."""
    values = {"position": position, "patch": tx.vault.seal(layer.patch), "updated_at": tx.now}
    await tx.run(
        tx.engine.insert(_layers)
        .values(workspace_id=workspace_id, name=layer.name, **values)
        .on_conflict_do_update(index_elements=["workspace_id", "name"], set_=values)
    )


def append_first(tx: Tx, values: Mapping[str, Any]) -> None:
    """Begin a device's config with a revision, to be read once the transaction ended."""
    state = {"device_id": values["device_id"], "revision": values["revision"]}
    tx.append(_INSERT_STATE, state)
    tx.append(_INSERT_REVISION, _sealed(tx, values))


async def insert_revision(tx: Tx, values: Mapping[str, Any]) -> None:
    """Append a revision."""
    await tx.run_of(_INSERT_REVISION, _sealed(tx, values))


def _sealed(tx: Tx, values: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**values, **{name: tx.vault.seal(values[name]) for name in _SEALED}}


def _revision(tx: Tx, row: Row) -> Revision:
    opened = {name: tx.vault.open(getattr(row, name)) for name in _SEALED}
    return Revision(
        revision=row.revision,
        digest=row.digest,
        document=opened["document"],
        own=opened["own"],
        lower=[Layer(name, patch) for name, patch in opened["lower"]],
        origins=row.origins,
        changed=row.changed,
        created_at=row.created_at,
        created_by=row.created_by,
    )


async def find_revision(tx: Tx, device_id: str, revision: int) -> Revision | None:
    """By number."""
    row = await tx.row(
        sa.select(_revisions).where(
            _revisions.c.device_id == device_id, _revisions.c.revision == revision
        )
    )
    return row and _revision(tx, row)


async def list_revisions(
    tx: Tx, device_id: str, *, before: int | None, limit: int
) -> Sequence[Row]:
    """Newest first, without their documents."""
    names = ("revision", "digest", "created_at", "created_by", "changed")
    chosen = sa.select(*(_revisions.c[name] for name in names)).where(
        _revisions.c.device_id == device_id
    )
    if before is not None:
        chosen = chosen.where(_revisions.c.revision < before)
    return await tx.rows(chosen.order_by(_revisions.c.revision.desc()).limit(limit))


async def find_state(tx: Tx, device_id: str, *, lock: bool = False) -> Row | None:
    """Which revision is desired and what was last reported; locked for a change when asked."""
    chosen = sa.select(_states).where(_states.c.device_id == device_id)
    return await tx.row(chosen.with_for_update() if lock else chosen)


async def first_created_at(tx: Tx, device_id: str) -> datetime | None:
    """When the first revision was made."""
    row = await tx.row(
        sa.select(_revisions.c.created_at)
        .where(_revisions.c.device_id == device_id)
        .order_by(_revisions.c.revision)
        .limit(1)
    )
    return row and row.created_at


_CURRENT_REVISIONS = Prepared(
    lambda engine: sa.select(_states.c.device_id, _states.c.revision).join(
        listed := engine.listed("id"), listed.c.id == _states.c.device_id
    )
)


async def current_revisions(tx: Tx, device_ids: Sequence[str]) -> dict[str, int]:
    """Desired revision by device."""
    listed = tx.engine.listed_value([(device_id,) for device_id in device_ids])
    return dict(await tx.plain_rows_of(_CURRENT_REVISIONS, listed))


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
        [
            {
                "_device_id": row.device.device_id,
                "_revision": row.revision,
                "_digest": row.digest,
                "_state": row.state,
                "_error": row.error,
            }
            for row in rows
        ],
    )


async def reported_of(
    tx: Tx, device_ids: Sequence[str]
) -> dict[str, tuple[int | None, str | None, str | None]]:
    """Last reported (revision, digest, state) by device."""
    columns = (_states.c.reported_revision, _states.c.reported_digest, _states.c.reported_state)
    found = await tx.rows(
        sa.select(_states.c.device_id, *columns).where(_states.c.device_id.in_(device_ids))
    )
    return {
        row.device_id: (row.reported_revision, row.reported_digest, row.reported_state)
        for row in found
    }


async def highest_revision(tx: Tx) -> int:
    """The highest number any device has come to; 0 without devices."""
    row = await tx.row(sa.select(sa.func.max(_states.c.revision).label("highest")))
    return (row and row.highest) or 0


async def renumber(tx: Tx, revision: int, created_by: str) -> None:
    """Append every device's present revision once more under one number."""
    kept = ("device_id", "own", "lower", "document", "origins", "digest")
    present = sa.and_(
        _states.c.device_id == _revisions.c.device_id, _states.c.revision == _revisions.c.revision
    )
    again = sa.select(
        *(_revisions.c[name] for name in kept),
        sa.literal(revision).label("revision"),
        sa.literal([], JsonText).label("changed"),
        sa.literal(tx.now, Millis).label("created_at"),
        sa.literal(created_by).label("created_by"),
    ).join(_states, present)
    names = (*kept, "revision", "changed", "created_at", "created_by")
    await tx.run(sa.insert(_revisions).from_select(names, again))
    await tx.run(sa.update(_states).values(revision=revision))
