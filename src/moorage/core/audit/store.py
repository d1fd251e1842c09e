"""The audit table and every statement on it."""

from datetime import datetime

import sqlalchemy as sa

from moorage.storage import JsonText, Millis, Tx, table

_entries = table(
    "audit_entries",
    sa.Column("workspace_id", sa.Text, primary_key=True),
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", Millis, nullable=False, index=True),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("entity_id", sa.Text, nullable=False),
    sa.Column("details", JsonText, nullable=False),
)


async def insert(tx: Tx, values: dict[str, object]) -> None:
    """Append one entry."""
    await tx.run(sa.insert(_entries), values)


async def delete_before(tx: Tx, cutoff: datetime, rows: int) -> int:
    """Delete up to ``rows`` entries from before the cutoff; return how many."""
    old = (
        sa.select(_entries.c.workspace_id, _entries.c.id).where(_entries.c.at < cutoff).limit(rows)
    )
    return await tx.run(
        sa.delete(_entries).where(sa.tuple_(_entries.c.workspace_id, _entries.c.id).in_(old))
    )
