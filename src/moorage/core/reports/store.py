"""The ledger's tables and every statement on them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from moorage.core.caller import DeviceRef
from moorage.core.reports.model import Checkpoint, Epoch, EpochState, Link, Record
from moorage.kit.clock import to_ms
from moorage.storage import Engine, Millis, Prepared, Row, Tx, table

# One row for each report a device ever had acknowledged, kept 48 hours. Never partitioned by time:
# that a report is stored once must hold across midnight.
_ledger = table(
    "report_ledger",
    sa.Column("device_id", sa.ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("report_id", sa.Text, primary_key=True),
    sa.Column("epoch", sa.Text, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("chain", sa.Text, nullable=False),
    # Whether the report claimed its place in the chain; one that did not proves no order.
    sa.Column("ordered", sa.Boolean, nullable=False),
    sa.Column("received_at", Millis, nullable=False),
    sa.Index("ix_report_ledger_received_at", "received_at"),
    clustered=True,
)
_epochs = table(
    "report_epochs",
    sa.Column("device_id", sa.ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("epoch", sa.Text, primary_key=True),
    sa.Column("store", sa.Text),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("chain", sa.Text, nullable=False),
    sa.Column("backfill", sa.Boolean, nullable=False),
    sa.Column("current", sa.Boolean, nullable=False),
    sa.Column("continues_epoch", sa.Text),
    sa.Column("continues_sequence", sa.BigInteger),
    sa.Column("began_at", Millis, nullable=False),
    sa.Column("last_at", Millis, nullable=False),
    sa.Column("checkpoint_at", Millis),
    clustered=True,
)
# The chain as it stood once an hour, kept as long as telemetry: what the ledger's rows are checked
# against when they are no longer all there.
_checkpoints = table(
    "report_checkpoints",
    sa.Column("device_id", sa.ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("epoch", sa.Text, primary_key=True),
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("chain", sa.Text, nullable=False),
    sa.Column("at", Millis, nullable=False),
    clustered=True,
)
# One row a device, so that a clone that forks for ever costs one row.
_forks = table(
    "report_forks",
    sa.Column("device_id", sa.ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("last_at", Millis, nullable=False),
    sa.Column("told_at", Millis),
)


def _listed(engine: Engine, rows_of: sa.Table, other: str) -> tuple[Any, Any]:
    """Return the (device, other) pairs given as a parameter, and the condition that joins them."""
    listed = engine.listed("device_id", other)
    joined = (listed.c.device_id == rows_of.c.device_id) & (listed.c[other] == rows_of.c[other])
    return listed, joined


_FIND_LINKS = Prepared(
    lambda engine: sa.select(
        _ledger.c.device_id,
        _ledger.c.report_id,
        _ledger.c.epoch,
        _ledger.c.sequence,
        _ledger.c.digest,
        _ledger.c.chain,
    ).join(*_listed(engine, _ledger, "report_id"))
)


async def find_links(tx: Tx, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Link]:
    """Rows by (device, report id)."""
    found = await tx.plain_rows_of(_FIND_LINKS, tx.engine.listed_value(keys))
    return {(device_id, report_id): Link(*of_it) for device_id, report_id, *of_it in found}


_LOCK_EPOCHS = Prepared(
    lambda engine: (
        sa.select(
            _epochs.c.device_id,
            _epochs.c.epoch,
            *(_epochs.c[name] for name in ("sequence", "chain", "current", "backfill")),
            _epochs.c.checkpoint_at,
        )
        .join(*_listed(engine, _epochs, "epoch"))
        .order_by(_epochs.c.device_id, _epochs.c.epoch)
        .with_for_update(of=_epochs)
    )
)


async def lock_epochs(tx: Tx, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], EpochState]:
    """States by (device, epoch), locked in key order so that two servers cannot deadlock."""
    found = await tx.plain_rows_of(_LOCK_EPOCHS, tx.engine.listed_value(keys))
    return {
        (device_id, epoch): EpochState(sequence, chain, bool(current), bool(backfill), kept)
        for device_id, epoch, sequence, chain, current, backfill, kept in found
    }


async def begin_epochs(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows of new epochs at their beginning; another server may have done so just now."""
    await tx.run(tx.engine.insert(_epochs).on_conflict_do_nothing(), rows)


_SAVE_EPOCHS = Prepared(
    lambda _: (
        sa.update(_epochs)
        .where(
            _epochs.c.device_id == sa.bindparam("_device_id"),
            _epochs.c.epoch == sa.bindparam("_epoch"),
        )
        .values(
            sequence=sa.bindparam("_sequence"),
            chain=sa.bindparam("_chain"),
            current=sa.bindparam("_current"),
            last_at=sa.bindparam("_last_at"),
            checkpoint_at=sa.bindparam("_checkpoint_at"),
        )
    ),
    order=("_device_id", "_epoch", "_sequence", "_chain", "_current", "_checkpoint_at", "_last_at"),
)


async def save_epochs(tx: Tx, moved: Mapping[tuple[str, str], EpochState]) -> None:
    """Write states that moved, by (device, epoch)."""
    now = to_ms(tx.now)
    await tx.run_rows(
        _SAVE_EPOCHS,
        [
            (*key, state.sequence, state.chain, state.current, state.checkpoint_ms, now)
            for key, state in sorted(moved.items())
        ],
    )


async def clear_current(tx: Tx, device_id: str, *, but: str) -> None:
    """Make one live epoch the only present one."""
    await tx.run(
        sa.update(_epochs)
        .where(_epochs.c.device_id == device_id, _epochs.c.epoch != but, _epochs.c.current)
        .values(current=False)
    )


_INSERT_LINKS = Prepared(
    lambda _: sa.insert(_ledger), order=[column.name for column in _ledger.columns]
)


async def insert_links(tx: Tx, rows: Sequence[tuple[Any, ...]]) -> None:
    """Append to the ledger; rows hold its columns in their order, times in milliseconds."""
    await tx.run_rows(_INSERT_LINKS, rows)


async def insert_checkpoints(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Append checkpoints."""
    await tx.run(tx.engine.insert(_checkpoints).on_conflict_do_nothing(), rows)


async def delete_unused_epochs(tx: Tx, keys: Sequence[tuple[str, str]]) -> None:
    """Delete epochs that were begun and never got a report."""
    await tx.run(
        sa.delete(_epochs).where(
            _epochs.c.device_id == sa.bindparam("_device_id"),
            _epochs.c.epoch == sa.bindparam("_epoch"),
            _epochs.c.sequence == 0,
        ),
        [{"_device_id": device_id, "_epoch": epoch} for device_id, epoch in keys],
    )


async def count_fork(tx: Tx, device_id: str, *, tell_after: datetime) -> bool:
    """Count a fork; return whether it is to be told (none was since ``tell_after``)."""
    await tx.run(
        tx.engine.insert(_forks)
        .values(device_id=device_id, count=1, last_at=tx.now)
        .on_conflict_do_update(
            index_elements=["device_id"], set_={"count": _forks.c.count + 1, "last_at": tx.now}
        )
    )
    return (
        await tx.run(
            sa.update(_forks)
            .where(
                _forks.c.device_id == device_id,
                sa.or_(_forks.c.told_at.is_(None), _forks.c.told_at < tell_after),
            )
            .values(told_at=tx.now)
        )
        == 1
    )


async def list_links(
    tx: Tx, device: DeviceRef, after: tuple[str, int, str] | None, limit: int
) -> Sequence[Row]:
    """Rows of a device by epoch, sequence and id, from after a place."""
    place = sa.tuple_(_ledger.c.epoch, _ledger.c.sequence, _ledger.c.report_id)
    chosen = sa.select(_ledger).where(_ledger.c.device_id == device.device_id)
    if after is not None:
        chosen = chosen.where(place > sa.tuple_(*(sa.literal(part) for part in after)))
    ordered = chosen.order_by(_ledger.c.epoch, _ledger.c.sequence, _ledger.c.report_id)
    return await tx.rows(ordered.limit(limit))


def record_of(row: Row) -> Record:
    """Read a row of the ledger."""
    return Record(
        epoch=row.epoch,
        sequence=row.sequence,
        digest=row.digest,
        chain=row.chain if row.ordered else None,
        received_at=row.received_at,
    )


async def list_epochs(tx: Tx, device: DeviceRef) -> list[Epoch]:
    """Epochs of a device that got a report, oldest first, with the checkpoints that are kept."""
    kept: dict[str, list[Checkpoint]] = {}
    for row in await tx.rows(
        sa.select(_checkpoints)
        .where(_checkpoints.c.device_id == device.device_id)
        .order_by(_checkpoints.c.epoch, _checkpoints.c.sequence)
    ):
        kept.setdefault(row.epoch, []).append(Checkpoint(row.sequence, row.chain, row.at))
    found = await tx.rows(
        sa.select(_epochs)
        .where(_epochs.c.device_id == device.device_id, _epochs.c.sequence > 0)
        .order_by(_epochs.c.began_at, _epochs.c.epoch)
    )
    return [
        Epoch(
            epoch=row.epoch,
            store=row.store,
            backfill=row.backfill,
            sequence=row.sequence,
            chain=row.chain,
            began_at=row.began_at,
            last_at=row.last_at,
            continues=None
            if row.continues_epoch is None
            else (row.continues_epoch, row.continues_sequence),
            checkpoints=tuple(kept.get(row.epoch, ())),
        )
        for row in found
    ]


async def delete_links(tx: Tx, before: datetime, rows: int) -> int:
    """Delete up to ``rows`` ledger rows from before a time."""
    old = (
        sa.select(_ledger.c.device_id, _ledger.c.report_id)
        .where(_ledger.c.received_at < before)
        .order_by(_ledger.c.received_at)
        .limit(rows)
    )
    return await tx.run(
        sa.delete(_ledger).where(sa.tuple_(_ledger.c.device_id, _ledger.c.report_id).in_(old))
    )


async def delete_checkpoints(tx: Tx, device_ids: Sequence[str], before: datetime) -> int:
    """Delete these devices' checkpoints from before a time."""
    return await tx.run(
        sa.delete(_checkpoints).where(
            _checkpoints.c.device_id.in_(device_ids), _checkpoints.c.at < before
        )
    )


async def delete_epochs(tx: Tx, device_ids: Sequence[str], before: datetime) -> int:
    """Delete these devices' epochs last used before a time, but never the present one."""
    return await tx.run(
        sa.delete(_epochs).where(
            _epochs.c.device_id.in_(device_ids), _epochs.c.last_at < before, ~_epochs.c.current
        )
    )
