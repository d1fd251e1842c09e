"""Who is waiting for what: wakes waiters once a change is durable, here and on other servers.

A wake-up says "look again", never what changed. In one process it is a call. Between processes it
goes by ``relay``; the table here is what that can always look up. The reasons and figures are in
docs/decisions/0017-several-servers.md.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

import sqlalchemy as sa

from moorage.storage.schema import JsonText, Millis, table

if TYPE_CHECKING:
    from moorage.storage.database import Tx

# Heard in place of topics when they were too many, or some may have been missed.
EVERYTHING: Final = "*"
# More waiters than these are not woken all at once: each of them will ask the database.
_AT_ONCE = 64
_SPREAD_S = 1.0
# Topics of one transaction that are named one by one.
MOST_TOPICS: Final = 1_000
KEPT: Final = timedelta(minutes=10)

# One row a transaction that announced something for sure, written last in it. ``at`` is by the
# database's clock: servers look for what is a moment old, and theirs may differ.
announced = table(
    "announcements",
    sa.Column("at", Millis, primary_key=True, autoincrement=False),
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("topics", JsonText, nullable=False),
)
_WRITE = sa.text(
    "INSERT INTO announcements (at, id, topics) VALUES "
    "(CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint), :id, :topics)"
).bindparams(sa.bindparam("topics", type_=JsonText))


class Carrier(Protocol):
    """What brings announcements to other servers and theirs here."""

    @property
    def heard_until(self) -> float:
        """The steady time up to which all that others announced was heard here."""
        ...

    def send(self, topics: Iterable[str]) -> None:
        """Tell other servers soon."""
        ...


class Announcements:
    """Topics and those who wait for them.

    ``carrier`` is there while other servers are told and heard.
    """

    def __init__(self, *, alone: bool = True) -> None:
        """Start with nobody waiting. ``alone``: no other process changes this database."""
        self.carrier: Carrier | None = None
        self._alone = alone
        self._waiters: dict[str, set[asyncio.Event]] = {}
        self._hearers: list[Callable[[str], None]] = []

    @contextmanager
    def subscribed(self, *topics: str) -> Iterator[asyncio.Event]:
        """Give an event that is set whenever a topic is announced, while the block lasts."""
        woken = asyncio.Event()
        for topic in topics:
            self._waiters.setdefault(topic, set()).add(woken)
        try:
            yield woken
        finally:
            for topic in topics:
                left = self._waiters[topic]
                left.discard(woken)
                if not left:
                    del self._waiters[topic]

    def hear(self, hearer: Callable[[str], None]) -> None:
        """Call this with every topic, as long as this lives; ``EVERYTHING`` stands for all."""
        self._hearers.append(hearer)

    def heard_until(self) -> float:
        """Return the steady time up to which everything announced anywhere was heard here."""
        if self._alone:
            return time.monotonic()
        return -1.0 if self.carrier is None else self.carrier.heard_until

    def hears_others(self, *, within_s: float) -> bool:
        """Whether what other servers announce comes here, late by ``within_s`` at most."""
        carrier = self.carrier
        return carrier is not None and time.monotonic() - carrier.heard_until <= within_s

    def tell(self, topics: Iterable[str]) -> None:
        """Wake everybody who waits for the topics, here and elsewhere."""
        told = list(topics)
        for topic in told:
            self.publish(topic)
        if self.carrier is not None:
            self.carrier.send(told)

    def publish(self, topic: str) -> None:
        """Wake everybody here who waits for a topic."""
        for hearer in self._hearers:
            hearer(topic)
        if topic == EVERYTHING:
            self._wake_all()
            return
        for woken in self._waiters.get(topic, ()):
            woken.set()

    def end(self) -> None:
        """Wake everybody at once: the server is to stop, and nobody may hold it up."""
        for of_topic in self._waiters.values():
            for woken in of_topic:
                woken.set()

    def _wake_all(self) -> None:
        waiting = {woken for of_topic in self._waiters.values() for woken in of_topic}
        if len(waiting) <= _AT_ONCE:
            for woken in waiting:
                woken.set()
            return
        loop = asyncio.get_running_loop()
        for woken in waiting:
            loop.call_later(random.uniform(0, _SPREAD_S), woken.set)  # noqa: S311 - no secret


async def write_down(tx: "Tx", topics: list[str]) -> None:
    """Write what a transaction announces; on PostgreSQL, for servers that miss the call."""
    named = topics if len(topics) <= MOST_TOPICS else [EVERYTHING]
    # Whatever is not there already: servers that write in the same millisecond know of no order.
    await tx.run(_WRITE, {"id": random.getrandbits(63), "topics": named})


async def purge(tx: "Tx", *, rows: int) -> int:
    """Delete up to ``rows`` announcements that nobody looks up any more; return how many."""
    key = sa.tuple_(announced.c.at, announced.c.id)
    old = sa.select(announced.c.at, announced.c.id).where(announced.c.at < tx.now - KEPT)
    return await tx.run(sa.delete(announced).where(key.in_(old.limit(rows))))
