"""The order in which hours are closed, walked and, where late samples came, done again."""

from collections.abc import Sequence
from datetime import datetime

from moorage.core.rollups import store
from moorage.core.rollups.model import HOUR, Span, Walk
from moorage.core.rollups.rules import GRACE, LONGEST_WALK, hour_of
from moorage.kit.clock import from_ms, to_ms
from moorage.storage import Tx


async def note_late(tx: Tx, samples: Sequence[tuple[str, int]]) -> None:
    """Mark the hours of samples that come after their hour was closed.

    ``samples`` are (device id, time in milliseconds). Whoever appends samples calls this in the
    same transaction, before it appends.
    """
    closed = to_ms(await store.share_closed(tx))
    late = {(device_id, hour_of(from_ms(at))) for device_id, at in samples if at < closed}
    if late:
        await store.mark(tx, sorted(late))


async def close(tx: Tx) -> bool:
    """Close the hours that are over; return whether there is a walk to make now.

    In a transaction of its own: who appends samples waits for its end.
    """
    rolled = await store.lock(tx, store.ROLLED)
    closed = await store.until(tx, store.CLOSED)
    if rolled is None or closed is None:
        return False
    if closed > rolled.until:  # the walk before this one is not through
        return True
    over = min(hour_of(tx.now - GRACE), closed + LONGEST_WALK)
    if over <= closed:
        return False
    await store.advance(tx, store.CLOSED, over)
    return True


async def next_walk(tx: Tx) -> Walk | None:
    """Return the walk under way, locked until the end of the transaction, or None."""
    rolled = await store.lock(tx, store.ROLLED)
    closed = await store.until(tx, store.CLOSED)
    if rolled is None or closed is None or rolled.until >= closed:
        return None
    return Walk(rolled.until, closed, rolled.after)


async def walked(tx: Tx, walk: Walk, last: str | None) -> None:
    """Note the last device that was summed up; None when there are no more."""
    if last is None:
        await store.advance(tx, store.ROLLED, walk.end)
    else:
        await store.advance(tx, store.ROLLED, after=last)


async def take_marks(tx: Tx, limit: int) -> list[Span]:
    """Take hours to sum up again; a walk under way must be through with an hour first."""
    rolled = await store.until(tx, store.ROLLED)
    if rolled is None:
        return []
    taken = await store.take_marks(tx, rolled, limit)
    return [(device_id, hour, hour + HOUR) for device_id, hour in taken]


async def kept_until(tx: Tx, before: datetime) -> datetime:
    """Return until when samples may be deleted: whole hours that are summed up, none after it.

    An hour of which some samples are gone could not be summed up again.
    """
    ends = [before, await store.until(tx, store.ROLLED), await store.first_marked(tx)]
    return hour_of(min(end for end in ends if end is not None))
