"""Jobs as rows: several servers may run them, one claims each turn."""

from datetime import timedelta

import sqlalchemy as sa

from moorage.storage.database import Database, Tx
from moorage.storage.schema import Millis, table

# Servers' clocks differ by less; a turn that is further ahead was set before a clock was set back.
_APART = timedelta(minutes=1)

_turns = table(
    "job_turns",
    sa.Column("job", sa.Text, primary_key=True),
    sa.Column("next_at", Millis, nullable=False),
)


async def claim(tx: Tx, job: str, *, every: timedelta) -> bool:
    """Take a job's turn if it is due; only one server gets True.

    The next turn is set at once: a server that dies in the middle costs one turn, not the job. So
    does a clock that is set back, not as many hours as it was ahead.
    """
    first = {"job": job, "next_at": tx.now + every}
    if await tx.run(tx.engine.insert(_turns).on_conflict_do_nothing(), first):
        return True
    is_due = sa.or_(_turns.c.next_at <= tx.now, _turns.c.next_at > tx.now + every + _APART)
    due = sa.update(_turns).where(_turns.c.job == job, is_due)
    return await tx.run(due.values(next_at=tx.now + every)) == 1


async def take_turn(db: Database, job: str, *, every: timedelta) -> bool:
    """Claim a job's turn in a transaction of its own: what is done then may take its time."""
    async with db.write() as tx:
        return await claim(tx, job, every=every)
