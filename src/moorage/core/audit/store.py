"""The audit table and every statement on it."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from moorage.core.audit.model import Entry
from moorage.storage import JsonText, Millis, Prepared, Tx, table

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


_INSERT = Prepared(lambda _: sa.insert(_entries))


def append(tx: Tx, values: dict[str, object]) -> None:
    """Append one entry."""
    tx.append(_INSERT, values)


async def list_entries(  # noqa: PLR0913 - a query's parts
    tx: Tx,
    workspace_id: str,
    *,
    equal: Mapping[str, str],
    start: datetime | None,
    end: datetime | None,
    before_id: int | None,
    limit: int,
) -> list[Entry]:
    """Entries of a workspace, newest first."""
    chosen = sa.select(_entries).where(_entries.c.workspace_id == workspace_id)
    chosen = chosen.where(*(_entries.c[name] == value for name, value in equal.items()))
    if start is not None:
        chosen = chosen.where(_entries.c.at >= start)
    if end is not None:
        chosen = chosen.where(_entries.c.at < end)
    if before_id is not None:
        chosen = chosen.where(_entries.c.id < before_id)
    rows = await tx.rows(chosen.order_by(_entries.c.id.desc()).limit(limit))
    return [
        Entry(row.id, row.at, row.actor, row.action, row.entity_id, row.details) for row in rows
    ]


async def delete_before(
    tx: Tx, cutoff: datetime, rows: int, *, of: str | None, but: Sequence[str]
) -> int:
    """Delete up to ``rows`` entries from before the cutoff; return how many."""
    old = sa.select(_entries.c.workspace_id, _entries.c.id).where(_entries.c.at < cutoff)
    if of is not None:
        old = old.where(_entries.c.workspace_id == of)
    elif but:
        old = old.where(_entries.c.workspace_id.not_in(but))
    old = old.limit(rows)
    return await tx.run(
        sa.delete(_entries).where(sa.tuple_(_entries.c.workspace_id, _entries.c.id).in_(old))
    )
