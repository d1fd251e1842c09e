"""The keys table and every statement on it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from moorage.core.caller import Scope
from moorage.core.keys.model import Key
from moorage.storage import JsonText, Millis, Prepared, Row, Tx, table

_keys = table(
    "keys",
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("workspace_id", sa.ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=False),
    sa.Column("device_id", sa.ForeignKey("devices.id", ondelete="CASCADE"), index=True),
    sa.Column("live", sa.Boolean, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("prefix", sa.Text, nullable=False),
    sa.Column("scopes", JsonText),
    sa.Column("digest", sa.Text, nullable=False, unique=True),
    sa.Column("created_at", Millis, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("revoked_at", Millis),
    sa.Column("disabled_at", Millis),
    sa.Column("protected", sa.Boolean, nullable=False),
    sa.Column("metadata", JsonText, nullable=False),
    sa.Index("ix_keys_workspace_id_id", "workspace_id", "id"),
)

_PLAIN = tuple(column.name for column in _keys.c if column.name not in ("scopes", "digest"))


def _key(row: Row) -> Key:
    known = {str(scope) for scope in Scope}
    # A scope this release no longer knows grants nothing.
    scopes = (
        None
        if row.scopes is None
        else frozenset(Scope(name) for name in row.scopes if name in known)
    )
    return Key(
        id=row.id,
        workspace_id=row.workspace_id,
        live=row.live,
        name=row.name,
        prefix=row.prefix,
        scopes=scopes,
        device_id=row.device_id,
        created_at=row.created_at,
        created_by=row.created_by,
        revoked_at=row.revoked_at,
        disabled_at=row.disabled_at,
        protected=row.protected,
        metadata=row.metadata,
    )


_INSERT = Prepared(lambda _: sa.insert(_keys))
_FIND_BY_DIGEST = Prepared(
    lambda _: sa.select(_keys).where(_keys.c.digest == sa.bindparam("_digest"))
)


async def insert(tx: Tx, key: Key, digest: str) -> None:
    """Insert. Raises UniqueViolation when the digest is there already."""
    await tx.run_of(_INSERT, _values(key, digest))


def append(tx: Tx, key: Key, digest: str) -> None:
    """Insert a key of a text nobody had before, to be looked up once the transaction ended."""
    tx.append(_INSERT, _values(key, digest))


def _values(key: Key, digest: str) -> dict[str, Any]:
    values: dict[str, Any] = {name: getattr(key, name) for name in _PLAIN}
    values["scopes"] = None if key.scopes is None else sorted(key.scopes)
    return {**values, "digest": digest}


async def find_by_digest(tx: Tx, digest: str) -> Key | None:
    """By digest, revoked or not."""
    rows = await tx.rows_of(_FIND_BY_DIGEST, {"_digest": digest})
    return _key(rows[0]) if rows else None


_FIND_BY_DIGESTS = Prepared(
    lambda engine: sa.select(_keys).join(
        listed := engine.listed("digest"), listed.c.digest == _keys.c.digest
    )
)


async def find_by_digests(tx: Tx, digests: Sequence[str]) -> dict[str, Key]:
    """Those there are, revoked or not, by digest."""
    listed = tx.engine.listed_value([(digest,) for digest in digests])
    return {row.digest: _key(row) for row in await tx.rows_of(_FIND_BY_DIGESTS, listed)}


async def find(tx: Tx, workspace_id: str, key_id: str, *, live: bool) -> Key | None:
    """By id, a workspace's own keys only."""
    row = await tx.row(
        sa.select(_keys).where(
            _keys.c.workspace_id == workspace_id,
            _keys.c.id == key_id,
            _keys.c.live == live,
            _keys.c.device_id.is_(None),
        )
    )
    return row and _key(row)


async def find_for_device(tx: Tx, workspace_id: str, device_id: str) -> Sequence[Key]:
    """All keys of a device, newest first."""
    rows = await tx.rows(
        sa.select(_keys)
        .where(_keys.c.workspace_id == workspace_id, _keys.c.device_id == device_id)
        .order_by(_keys.c.id.desc())
    )
    return [_key(row) for row in rows]


async def list_keys(  # noqa: PLR0913 - a query's parts
    tx: Tx,
    workspace_id: str,
    *,
    live: bool,
    after: str | None,
    limit: int | None,
    of_devices: bool,
) -> Sequence[Key]:
    """A workspace's own keys, newest first; those of its devices only when asked for."""
    chosen = sa.select(_keys).where(_keys.c.workspace_id == workspace_id, _keys.c.live == live)
    if not of_devices:
        chosen = chosen.where(_keys.c.device_id.is_(None))
    if after is not None:
        chosen = chosen.where(_keys.c.id < after)
    return [_key(row) for row in await tx.rows(chosen.order_by(_keys.c.id.desc()).limit(limit))]


async def update(tx: Tx, workspace_id: str, key_id: str, values: Mapping[str, Any]) -> None:
    """Change columns of a key."""
    await tx.run(
        sa.update(_keys)
        .where(_keys.c.workspace_id == workspace_id, _keys.c.id == key_id)
        .values(**values)
    )


async def revoke(tx: Tx, workspace_id: str, key_id: str) -> int:
    """Mark as revoked now."""
    return await tx.run(
        sa.update(_keys)
        .where(
            _keys.c.workspace_id == workspace_id, _keys.c.id == key_id, _keys.c.revoked_at.is_(None)
        )
        .values(revoked_at=tx.now)
    )


async def revoke_for_device(tx: Tx, workspace_id: str, device_id: str, *, keep: str | None) -> int:
    """Revoke a device's keys, but for the one to keep."""
    which = [
        _keys.c.workspace_id == workspace_id,
        _keys.c.device_id == device_id,
        _keys.c.revoked_at.is_(None),
    ]
    if keep is not None:
        which.append(_keys.c.id != keep)
    return await tx.run(sa.update(_keys).where(*which).values(revoked_at=tx.now))


async def set_disabled_for_device(
    tx: Tx, workspace_id: str, device_id: str, at: datetime | None
) -> None:
    """Disable a device's keys, or enable them again."""
    await tx.run(
        sa.update(_keys)
        .where(_keys.c.workspace_id == workspace_id, _keys.c.device_id == device_id)
        .values(disabled_at=at)
    )


async def digests_of_device(tx: Tx, workspace_id: str, device_id: str) -> Sequence[str]:
    """Digests of a device's keys, for its tombstone."""
    rows = await tx.rows(
        sa.select(_keys.c.digest).where(
            _keys.c.workspace_id == workspace_id, _keys.c.device_id == device_id
        )
    )
    return [row.digest for row in rows]


_STANDING = Prepared(
    lambda engine: (
        sa.select(_keys.c.id)
        .join(listed := engine.listed("id"), listed.c.id == _keys.c.id)
        .where(_keys.c.revoked_at.is_(None), _keys.c.disabled_at.is_(None))
    )
)


async def standing(tx: Tx, key_ids: Sequence[str]) -> set[str]:
    """Those of the keys that are there and not revoked."""
    listed = tx.engine.listed_value([(key_id,) for key_id in key_ids])
    return {key_id for (key_id,) in await tx.plain_rows_of(_STANDING, listed)}
