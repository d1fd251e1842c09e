"""Statements on a device's record, tags, heartbeat and tombstone; lists are in ``listing``."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from moorage.core.devices.model import Device, HeartbeatRow
from moorage.core.devices.tables import (
    SELECTED,
    device_of,
    devices,
    owned_by_key,
    presence,
    tags,
    tombstone_keys,
    tombstones,
)
from moorage.storage import Prepared, Row, Tx
from moorage.storage.alive import absences

_INSERT = Prepared(lambda _: sa.insert(devices))
_INSERT_PRESENCE = Prepared(lambda _: sa.insert(presence))
_INSERT_TAG = Prepared(lambda _: sa.insert(tags))
_FIND = Prepared(
    lambda _: SELECTED.where(
        devices.c.workspace_id == sa.bindparam("_workspace_id"),
        devices.c.id == sa.bindparam("_id"),
        devices.c.live == sa.bindparam("_live"),
        presence.c.live == sa.bindparam("_live"),
    )
)
_FIND_BY_EXTERNAL = Prepared(
    lambda _: sa.select(devices.c.id).where(
        owned_by_key(sa.bindparam("_workspace_id", type_=sa.Text)),
        devices.c.live == sa.bindparam("_live"),
        devices.c.external_id == sa.bindparam("_external_id"),
    )
)
_TAGS = Prepared(
    lambda _: (
        sa.select(tags.c.tag)
        .where(tags.c.device_id == sa.bindparam("_id"))
        .order_by(tags.c.position)
    )
)


async def insert(
    tx: Tx, record: Mapping[str, Any], interval_s: int, seen_at: datetime | None
) -> None:
    """Insert a record and its presence. Raises UniqueViolation for a taken id or reference."""
    its_presence = {
        "workspace_id": record["workspace_id"],
        "live": record["live"],
        "device_id": record["id"],
        "interval_s": interval_s,
        "last_seen_at": seen_at,
    }
    await tx.insert_together([(_INSERT, record), (_INSERT_PRESENCE, its_presence)])


async def find(tx: Tx, workspace_id: str, device_id: str, *, live: bool) -> Device | None:
    """By id."""
    rows = await tx.rows_of(_FIND, {"_workspace_id": workspace_id, "_id": device_id, "_live": live})
    if not rows:
        return None
    its_tags = [row.tag for row in await tx.rows_of(_TAGS, {"_id": device_id})]
    return device_of(rows[0], its_tags, tx.now, await absences(tx))


async def workspace_of(tx: Tx, device_id: str) -> str | None:
    """Whose it is."""
    row = await tx.row(sa.select(devices.c.workspace_id).where(devices.c.id == device_id))
    return row and row.workspace_id


async def find_id_by_external(
    tx: Tx, workspace_id: str, external_id: str, *, live: bool
) -> str | None:
    """By the id the device brought along."""
    asked = {"_workspace_id": workspace_id, "_live": live, "_external_id": external_id}
    rows = await tx.rows_of(_FIND_BY_EXTERNAL, asked)
    return rows[0].id if rows else None


async def update(tx: Tx, workspace_id: str, device_id: str, values: Mapping[str, Any]) -> None:
    """Change columns of a record. Raises UniqueViolation for a taken reference."""
    await tx.run(
        sa.update(devices)
        .where(devices.c.workspace_id == workspace_id, devices.c.id == device_id)
        .values(**values)
    )


async def take_release(tx: Tx, workspace_id: str, device_id: str) -> bool:
    """End a release; return False when there was none (any more)."""
    standing = sa.and_(
        devices.c.workspace_id == workspace_id,
        devices.c.id == device_id,
        devices.c.released_at.is_not(None),
    )
    return await tx.run(sa.update(devices).where(standing).values(released_at=None)) == 1


async def set_tags(tx: Tx, device_id: str, wanted: Sequence[str]) -> None:
    """Replace the tags."""
    await tx.run(sa.delete(tags).where(tags.c.device_id == device_id))
    if wanted:
        await insert_tags(tx, device_id, wanted)


async def insert_tags(tx: Tx, device_id: str, wanted: Sequence[str]) -> None:
    """Insert the tags of a device that has none."""
    rows = [{"device_id": device_id, "tag": tag, "position": at} for at, tag in enumerate(wanted)]
    await tx.run_many(_INSERT_TAG, rows)


async def tags_of(tx: Tx, device_ids: Sequence[str]) -> dict[str, list[str]]:
    """Tags by device, in the order they were given."""
    listed = tx.engine.listed("id")
    rows = await tx.rows(
        sa.select(tags.c.device_id, tags.c.tag)
        .join(listed, listed.c.id == tags.c.device_id)
        .order_by(tags.c.device_id, tags.c.position),
        tx.engine.listed_value([(device_id,) for device_id in device_ids]),
    )
    return _by_device(rows)


async def all_tags(tx: Tx, workspace_id: str, *, live: bool) -> dict[str, list[str]]:
    """Tags of a workspace by device, in the order they were given."""
    rows = await tx.rows(
        sa.select(tags.c.device_id, tags.c.tag)
        .join(devices, devices.c.id == tags.c.device_id)
        .where(devices.c.workspace_id == workspace_id, devices.c.live == live)
        .order_by(tags.c.device_id, tags.c.position)
    )
    return _by_device(rows)


def _by_device(rows: Sequence[Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for device_id, tag in rows:
        found.setdefault(device_id, []).append(tag)
    return found


_RECORD_HEARTBEATS = Prepared(
    lambda _: (
        sa.update(presence)
        .where(presence.c.device_id == sa.bindparam("_device_id"))
        .values(
            last_seen_at=sa.bindparam("_at"),
            last_heartbeat_at=sa.bindparam("_at"),
            boot_id=sa.func.coalesce(sa.bindparam("_boot_id", type_=sa.Text), presence.c.boot_id),
            uptime_s=sa.func.coalesce(
                sa.bindparam("_uptime_s", type_=sa.BigInteger), presence.c.uptime_s
            ),
            skew_ms=sa.func.coalesce(
                sa.bindparam("_skew_ms", type_=sa.BigInteger), presence.c.skew_ms
            ),
        )
    ),
    order=[f"_{name}" for name in HeartbeatRow._fields],
)


async def record_heartbeats(tx: Tx, rows: Sequence[HeartbeatRow]) -> None:
    """Note contacts; rows come in the order of device ids, so that two writers cannot deadlock."""
    await tx.run_rows(_RECORD_HEARTBEATS, rows)


async def mark_seen(tx: Tx, device_ids: Sequence[str]) -> None:
    """Note a contact that is no heartbeat."""
    await tx.run(
        sa.update(presence)
        .where(presence.c.device_id == sa.bindparam("_device_id"))
        .values(last_seen_at=sa.bindparam("_at")),
        [{"_device_id": device_id, "_at": tx.now} for device_id in device_ids],
    )


async def assign_interval(tx: Tx, device_id: str, interval_s: int) -> None:
    """Set how often a device is to report."""
    await tx.run(
        sa.update(presence).where(presence.c.device_id == device_id).values(interval_s=interval_s)
    )


_INTERVALS = Prepared(
    lambda engine: sa.select(presence.c.device_id, presence.c.interval_s).join(
        listed := engine.listed("id"), listed.c.id == presence.c.device_id
    )
)


async def intervals(tx: Tx, device_ids: Sequence[str]) -> dict[str, int]:
    """Report intervals by device, in seconds."""
    listed = tx.engine.listed_value([(device_id,) for device_id in device_ids])
    return dict(await tx.plain_rows_of(_INTERVALS, listed))


async def facts_of(tx: Tx, device_id: str) -> Mapping[str, Any]:
    """Facts as they stand, the row locked for a change."""
    row = await tx.row(
        sa.select(devices.c.facts).where(devices.c.id == device_id).with_for_update()
    )
    return row.facts if row else {}


async def delete(tx: Tx, workspace_id: str, device_id: str) -> None:
    """Delete the record; rows that hang on it fall with it."""
    await tx.run(
        sa.delete(devices).where(devices.c.workspace_id == workspace_id, devices.c.id == device_id)
    )


async def insert_tombstone(tx: Tx, device: Device, key_digests: Sequence[str]) -> None:
    """Remember a retired device by the digests of its keys."""
    await tx.run(
        sa.insert(tombstones),
        {
            "device_id": device.id,
            "workspace_id": device.workspace_id,
            "live": device.live,
            "retired_at": tx.now,
        },
    )
    if key_digests:
        await tx.run(
            sa.insert(tombstone_keys),
            [{"digest": digest, "device_id": device.id} for digest in key_digests],
        )


async def find_tombstone(tx: Tx, key_digest: str) -> Row | None:
    """By the digest of a key the device had."""
    return await tx.row(
        sa.select(tombstones)
        .join(tombstone_keys, tombstone_keys.c.device_id == tombstones.c.device_id)
        .where(tombstone_keys.c.digest == key_digest)
    )


async def unpurged(tx: Tx, limit: int) -> Sequence[str]:
    """Retired devices whose append-only rows are still there."""
    rows = await tx.rows(
        sa.select(tombstones.c.device_id).where(tombstones.c.purged_at.is_(None)).limit(limit)
    )
    return [row.device_id for row in rows]


async def set_purged(tx: Tx, device_ids: Sequence[str]) -> None:
    """Note that nothing but the tombstone is left."""
    await tx.run(
        sa.update(tombstones).where(tombstones.c.device_id.in_(device_ids)).values(purged_at=tx.now)
    )


async def owned_after(tx: Tx, after: str, limit: int) -> Sequence[tuple[str, str]]:
    """(device id, workspace id) of all workspaces in order, for jobs that walk the fleet."""
    rows = await tx.rows(
        sa.select(devices.c.id, devices.c.workspace_id)
        .where(devices.c.id > after)
        .order_by(devices.c.id)
        .limit(limit)
    )
    return [(row.id, row.workspace_id) for row in rows]


async def set_clone_flag(tx: Tx, device_id: str, at: datetime | None) -> bool:
    """Raise or clear the flag; return whether that changed anything."""
    column = devices.c.clone_suspected_at
    changes = column.is_(None) if at is not None else column.is_not(None)
    return (
        await tx.run(
            sa.update(devices)
            .where(devices.c.id == device_id, changes)
            .values(clone_suspected_at=at)
        )
        == 1
    )
