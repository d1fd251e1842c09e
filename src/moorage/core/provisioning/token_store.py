"""The provisioning tokens table and every statement on it."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from moorage.core.provisioning.model import Policy, ProvisioningToken
from moorage.storage import JsonText, Millis, Prepared, Row, Tx, table

_tokens = table(
    "provisioning_tokens",
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("workspace_id", sa.ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=False),
    sa.Column("live", sa.Boolean, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False, unique=True),
    sa.Column("policy", sa.Text, nullable=False),
    sa.Column("max_uses", sa.BigInteger),
    sa.Column("use_count", sa.BigInteger, nullable=False),
    sa.Column("tags", JsonText, nullable=False),
    sa.Column("device_type", sa.Text),
    sa.Column("created_at", Millis, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("expires_at", Millis),
    sa.Column("last_used_at", Millis),
    sa.Column("revoked_at", Millis),
    sa.Index("ix_provisioning_tokens_list", "workspace_id", "live", "id"),
)


_FIND_BY_DIGEST = Prepared(
    lambda _: sa.select(_tokens).where(_tokens.c.digest == sa.bindparam("_digest"))
)
_SPEND = Prepared(
    lambda _: (
        sa.update(_tokens)
        .where(
            _tokens.c.id == sa.bindparam("_id"),
            _tokens.c.revoked_at.is_(None),
            sa.or_(_tokens.c.max_uses.is_(None), _tokens.c.use_count < _tokens.c.max_uses),
            sa.or_(
                _tokens.c.expires_at.is_(None),
                _tokens.c.expires_at > sa.bindparam("_now", type_=Millis),
            ),
        )
        .values(use_count=_tokens.c.use_count + 1, last_used_at=sa.bindparam("_now", type_=Millis))
    )
)


def _token(row: Row) -> ProvisioningToken:
    return ProvisioningToken(
        id=row.id,
        workspace_id=row.workspace_id,
        live=row.live,
        name=row.name,
        policy=Policy(row.policy),
        max_uses=row.max_uses,
        use_count=row.use_count,
        tags=tuple(row.tags),
        device_type=row.device_type,
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )


async def insert(tx: Tx, values: Mapping[str, Any]) -> None:
    """Insert a token."""
    await tx.run(sa.insert(_tokens), values)


async def find_by_digest(tx: Tx, digest: str) -> ProvisioningToken | None:
    """By digest."""
    rows = await tx.rows_of(_FIND_BY_DIGEST, {"_digest": digest})
    return _token(rows[0]) if rows else None


async def find(tx: Tx, workspace_id: str, token_id: str, *, live: bool) -> ProvisioningToken | None:
    """By id, in a mode of a workspace."""
    row = await tx.row(
        sa.select(_tokens).where(
            _tokens.c.workspace_id == workspace_id,
            _tokens.c.live == live,
            _tokens.c.id == token_id,
        )
    )
    return row and _token(row)


async def list_before(  # noqa: PLR0913 - a query's parts
    tx: Tx, workspace_id: str, before: str | None, *, live: bool, limit: int, offset: int
) -> Sequence[ProvisioningToken]:
    """Newest first."""
    chosen = sa.select(_tokens).where(
        _tokens.c.workspace_id == workspace_id, _tokens.c.live == live
    )
    if before is not None:
        chosen = chosen.where(_tokens.c.id < before)
    return [
        _token(row)
        for row in await tx.rows(chosen.order_by(_tokens.c.id.desc()).limit(limit).offset(offset))
    ]


async def count(tx: Tx, workspace_id: str, *, live: bool) -> int:
    """How many there are."""
    row = await tx.row(
        sa.select(sa.func.count().label("n")).where(
            _tokens.c.workspace_id == workspace_id, _tokens.c.live == live
        )
    )
    return row.n if row else 0


async def spend(tx: Tx, token_id: str) -> bool:
    """Count one use; return False when it was the one use too many, or it is over."""
    return await tx.run_of(_SPEND, {"_id": token_id, "_now": tx.now}) == 1


async def revoke(tx: Tx, token_id: str) -> bool:
    """End a token; return False when it was ended before."""
    standing = sa.and_(_tokens.c.id == token_id, _tokens.c.revoked_at.is_(None))
    return await tx.run(sa.update(_tokens).where(standing).values(revoked_at=tx.now)) == 1


async def revoke_single_use(tx: Tx) -> int:
    """End all tokens that are for one device and were not used; return how many."""
    unused = sa.and_(
        _tokens.c.max_uses == 1, _tokens.c.use_count == 0, _tokens.c.revoked_at.is_(None)
    )
    return await tx.run(sa.update(_tokens).where(unused).values(revoked_at=tx.now))
