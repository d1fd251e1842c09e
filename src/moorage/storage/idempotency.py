"""Answers kept for 24 hours, so that a repeated request gets the first one's answer again."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from moorage.storage.database import Tx
from moorage.storage.schema import JsonText, Millis, table

KEPT = timedelta(hours=24)

_answers = table(
    "idempotent_answers",
    sa.Column("owner", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("request_digest", sa.Text, nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("body", JsonText),
    sa.Column("created_at", Millis, nullable=False, index=True),
)


@dataclass(frozen=True)
class Answer:
    """What the first request was answered. ``same_request``: the repeat asks the same thing."""

    same_request: bool
    status: int
    body: Any


async def begin(tx: Tx, *, owner: str, key: str, request_digest: str) -> Answer | None:
    """Claim the key for this transaction (None), or return what its first use was answered.

    Two requests at once: the second waits for the first transaction's end, on both engines.
    """
    claim = tx.engine.insert(_answers).values(
        owner=owner, key=key, request_digest=request_digest, created_at=tx.now
    )
    stale = (_answers.c.created_at < tx.now - KEPT) & (_answers.c.owner == owner)
    await tx.run(sa.delete(_answers).where(stale, _answers.c.key == key))
    if await tx.run(claim.on_conflict_do_nothing()) == 1:
        return None
    row = await tx.row(sa.select(_answers).where(_answers.c.owner == owner, _answers.c.key == key))
    if row is None or row.status is None:  # the first one was rolled back in between
        return None
    return Answer(row.request_digest == request_digest, row.status, row.body)


async def finish(tx: Tx, *, owner: str, key: str, status: int, body: object) -> None:
    """Keep the answer, in the transaction that did the work."""
    await tx.run(
        sa.update(_answers)
        .where(_answers.c.owner == owner, _answers.c.key == key)
        .values(status=status, body=body)
    )


async def purge(tx: Tx, *, rows: int) -> int:
    """Delete up to ``rows`` answers that are over 24 hours old; return how many."""
    old = (
        sa.select(_answers.c.owner, _answers.c.key)
        .where(_answers.c.created_at < tx.now - KEPT)
        .limit(rows)
    )
    return await tx.run(
        sa.delete(_answers).where(sa.tuple_(_answers.c.owner, _answers.c.key).in_(old))
    )
