"""Install tokens, what was tried with them, and every statement on both."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from moorage.core.caller import DeviceRef
from moorage.core.provisioning.model import Attempt
from moorage.kit.ids import new_row_id
from moorage.storage import Millis, Prepared, Row, Tx, table

_tokens = table(
    "install_tokens",
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("workspace_id", sa.ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=False),
    sa.Column(
        "device_id", sa.ForeignKey("devices.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    sa.Column("live", sa.Boolean, nullable=False),
    sa.Column("offline", sa.Boolean, nullable=False),
    sa.Column("digest", sa.Text, nullable=False, unique=True),
    sa.Column("created_at", Millis, nullable=False),
    sa.Column("expires_at", Millis, nullable=False, index=True),
    sa.Column("spent_at", Millis),
    sa.Column("spent_by_digest", sa.Text),
)
_MOST_OF_A_DEVICE = 50
# What was tried with a device's tokens, for whoever waits for it to appear. A few rows a device.
_attempts = table(
    "install_attempts",
    sa.Column("device_id", sa.ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", Millis, nullable=False, index=True),
    sa.Column("address", sa.Text),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    clustered=True,
)


_INSERT = Prepared(lambda _: sa.insert(_tokens))


def append(tx: Tx, values: Mapping[str, Any]) -> None:
    """Insert a token before the commit, with the rest; who looks for tokens flushes first."""
    tx.append(_INSERT, values)


async def find_by_digest(tx: Tx, digest: str, *, lock: bool = False) -> Row | None:
    """By digest; locked when it is about to be spent."""
    await tx.flush()
    chosen = sa.select(_tokens).where(_tokens.c.digest == digest)
    return await tx.row(chosen.with_for_update() if lock else chosen)


async def void_unspent(tx: Tx, device_id: str, *, offline: bool | None = None) -> None:
    """Spend a device's unspent tokens on nobody: all, or those of one kind."""
    await tx.flush()
    chosen = sa.update(_tokens).where(
        _tokens.c.device_id == device_id, _tokens.c.spent_at.is_(None)
    )
    if offline is not None:
        chosen = chosen.where(_tokens.c.offline == offline)
    await tx.run(chosen.values(spent_at=tx.now))


async def void_all_unspent(tx: Tx) -> int:
    """Spend every device's unspent tokens on nobody; return how many."""
    await tx.flush()
    return await tx.run(
        sa.update(_tokens).where(_tokens.c.spent_at.is_(None)).values(spent_at=tx.now)
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


async def insert_attempt(tx: Tx, device_id: str, attempt: Attempt) -> None:
    """Append an attempt and let go of the oldest beyond some."""
    await tx.run(
        sa.insert(_attempts),
        {
            "device_id": device_id,
            "id": new_row_id(),
            "at": attempt.at,
            "address": attempt.address,
            "outcome": attempt.outcome,
            "reason": attempt.reason,
        },
    )
    kept = (
        sa.select(_attempts.c.id)
        .where(_attempts.c.device_id == device_id)
        .order_by(_attempts.c.id.desc())
        .limit(_MOST_OF_A_DEVICE)
    )
    await tx.run(
        sa.delete(_attempts).where(
            _attempts.c.device_id == device_id, _attempts.c.id.not_in(kept.scalar_subquery())
        )
    )


async def list_attempts(tx: Tx, device: DeviceRef, since: datetime) -> list[Attempt]:
    """Attempts of a device, newest first."""
    rows = await tx.rows(
        sa.select(_attempts)
        .where(_attempts.c.device_id == device.device_id, _attempts.c.at >= since)
        .order_by(_attempts.c.id.desc())
    )
    return [Attempt(row.at, row.address, row.outcome, row.reason) for row in rows]


async def delete_attempts(tx: Tx, before: datetime, rows: int) -> int:
    """Delete up to ``rows`` attempts from before a time."""
    old = (
        sa.select(_attempts.c.device_id, _attempts.c.id).where(_attempts.c.at < before).limit(rows)
    )
    return await tx.run(
        sa.delete(_attempts).where(sa.tuple_(_attempts.c.device_id, _attempts.c.id).in_(old))
    )
