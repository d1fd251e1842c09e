"""The install tokens table and every statement on it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from moorage.storage import Millis, Row, Tx, table

_tokens = table(
    "install_tokens",
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("workspace_id", sa.ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=False),
    sa.Column(
        "device_id", sa.ForeignKey("devices.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    sa.Column("live", sa.Boolean, nullable=False),
    sa.Column("digest", sa.Text, nullable=False, unique=True),
    sa.Column("created_at", Millis, nullable=False),
    sa.Column("expires_at", Millis, nullable=False, index=True),
    sa.Column("spent_at", Millis),
    sa.Column("spent_by_digest", sa.Text),
)


async def insert(tx: Tx, values: Mapping[str, Any]) -> None:
    """Insert a token."""
    await tx.run(sa.insert(_tokens), values)


async def find_by_digest(tx: Tx, digest: str, *, lock: bool = False) -> Row | None:
    """By digest; locked when it is about to be spent."""
    chosen = sa.select(_tokens).where(_tokens.c.digest == digest)
    return await tx.row(chosen.with_for_update() if lock else chosen)


async def void_unspent(tx: Tx, workspace_id: str, device_id: str) -> None:
    """Delete a device's unspent tokens: only the newest works."""
    await tx.run(
        sa.delete(_tokens).where(
            _tokens.c.workspace_id == workspace_id,
            _tokens.c.device_id == device_id,
            _tokens.c.spent_at.is_(None),
        )
    )


async def spend(tx: Tx, token_id: str, key_digest: str) -> bool:
    """Spend a token; return False when somebody else did."""
    return (
        await tx.run(
            sa.update(_tokens)
            .where(_tokens.c.id == token_id, _tokens.c.spent_at.is_(None))
            .values(spent_at=tx.now, spent_by_digest=key_digest)
        )
        == 1
    )


async def delete_before(tx: Tx, before: datetime, rows: int) -> int:
    """Delete up to ``rows`` tokens that expired before a time."""
    old = sa.select(_tokens.c.id).where(_tokens.c.expires_at < before).limit(rows)
    return await tx.run(sa.delete(_tokens).where(_tokens.c.id.in_(old)))
