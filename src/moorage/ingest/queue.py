"""What devices sent, waiting for its transaction: bounded, and few transactions at a time.

An item waits only while others are written, so a lone one is written at once and a crowd shares one
commit. The price of the shared commit is that a slow one delays all that wait for it;
the bounds keep that short and turn the rest away in time. Each workspace waits in a line of its
own, with so many places for each device: who sends too much is turned away, and not the others.
What one device sent is written in the order it came in: none of it begins before the last ended.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

import structlog
from msgspec import Struct

from moorage.core.errors import DomainError, Kind, of_exception
from moorage.ingest.halves import Halves
from moorage.ingest.lines import Lines, Weight
from moorage.ingest.pace import Pace
from moorage.storage import (
    Database,
    MissingParent,
    StorageBusy,
    StorageError,
    StorageFull,
    StorageUnavailable,
    Tx,
    UniqueViolation,
)

_log = structlog.get_logger("moorage.ingest")
# Not the fault of one report: the whole batch is refused, and nothing is halved.
_WHOLE_BATCH = (StorageBusy, StorageFull, StorageUnavailable)


# From so many reports at once a short wait for more pays.
_CROWD = 16
_PAUSE_S = 0.001
_FEW = 128
# The last of the queue is for workspaces with less than their share of it.
_FOR_ANYBODY = 0.8


@dataclass(frozen=True)
class IngestLimits:
    """Bounds of the queue and of one batch.

    ``oldest_s``: behind an item that has waited so long nobody queues. ``soon_s``: when more than
    a few wait, only who would be written so soon is let in. ``per_device``: how many of one device
    may wait; one that keeps to the protocol has two. ``gather_s``: how long a batch waits for more
    when the one before was a crowd. A crowd that shares one commit is cheaper for all of it; a lone
    report never waits.
    """

    queued_reports: int = 4_000
    queued_bytes: int = 64 * 1024 * 1024
    batch_reports: int = 256
    batch_rows: int = 5_000
    per_device: int = 4
    oldest_s: float = 5.0
    soon_s: float = 0.2
    gather_s: float = 0.010


T = TypeVar("T")
R = TypeVar("R")

# Writes a batch in a transaction; an outcome for each item, in their order.
Write: TypeAlias = Callable[[Tx, Sequence[T]], Awaitable[Sequence[R | DomainError]]]


class _Waiting(Struct, Generic[T, R], eq=False):
    item: T
    weight: Weight
    answer: asyncio.Future[R | DomainError]
    since: float


class Batches(Generic[T, R]):
    """Takes items in and answers each once it is durable."""

    def __init__(
        self,
        db: Database,
        write: Write[T, R],
        *,
        weigh: Callable[[T], Weight],
        limits: IngestLimits,
    ) -> None:
        """Keep the parts; nothing runs before ``start``."""
        self._db = db
        self._write = write
        self._weigh = weigh
        self._limits = limits
        self._queue: Lines[_Waiting[T, R]] = Lines()
        self._few = min(_FEW, limits.batch_reports)
        self._halves = Halves(limits.batch_reports, in_process=db.engine.in_process)
        self._pace = Pace()
        # A database of its own process is at work on one batch while the loop is on the next.
        self._writers = 1 if db.engine.in_process else 2
        self._taking = asyncio.Lock()
        self._crowd = 0
        self._under_way = 0
        self._senders_under_way: set[str] = set()
        self._landed = asyncio.Event()
        self._something = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._closing = False
        self.committed = 0
        self.batches = 0
        self.refused = 0

    @property
    def queued(self) -> int:
        """How many wait."""
        return self._queue.length

    def start(self) -> None:
        """Begin to write; once begun it goes on."""
        if self._writer is None:
            self._writer = asyncio.create_task(self._run(), name="ingest")

    async def stop(self) -> None:
        """Write what waits, then end; what comes later is refused."""
        self._closing = True
        self._something.set()
        if self._writer is not None:
            await self._writer
            self._writer = None

    async def submit(self, item: T) -> R:
        """Return the outcome once it is durable.

        Raises:
            DomainError: a refusal, or ``unavailable`` when too much waits already.

        """
        loop = asyncio.get_running_loop()
        weight, now = self._weigh(item), loop.time()
        self._admit(weight.tenant, weight.sender, weight.size_bytes, now)
        waiting: _Waiting[T, R] = _Waiting(item, weight, loop.create_future(), now)
        self._queue.add(waiting)
        self._something.set()
        # A sender that hangs up changes nothing: what it sent is written all the same.
        outcome = await waiting.answer
        if isinstance(outcome, DomainError):
            raise outcome
        return outcome

    def check(self, tenant: str, sender: str) -> None:
        """Raise what ``submit`` would for an item of theirs: before work is put into it."""
        self._admit(tenant, sender, 0, asyncio.get_running_loop().time())

    def _admit(self, tenant: str, sender: str, size_bytes: int, now: float) -> None:
        limits, queue = self._limits, self._queue
        if queue.of_sender(sender) >= limits.per_device:
            self.refused += 1
            raise too_many_of(limits.per_device)
        full = (
            queue.length >= limits.queued_reports
            or queue.size_bytes + size_bytes > limits.queued_bytes
        )
        if self._closing or full or self._late(tenant, now):
            self.refused += 1
            raise overloaded()

    def _late(self, tenant: str, now: float) -> bool:
        """Whether one more of a workspace would wait too long, or take the place of others."""
        limits, queue = self._limits, self._queue
        line = queue.of_tenant(tenant)
        if not line:
            return False
        waited = now - line[0].since
        if waited > limits.oldest_s:
            return True
        # A few are not late, however slow the disk: the next batches take them all.
        if queue.length < self._few:
            return False
        if waited > limits.soon_s:
            return True
        ahead = self._under_way + min(queue.length, len(line) * queue.tenants)
        if self._pace.seconds(ahead) > limits.soon_s:
            return True
        crowded = queue.length >= limits.queued_reports * _FOR_ANYBODY
        return crowded and len(line) * (queue.tenants + 1) > limits.queued_reports

    async def _run(self) -> None:
        self._pace.begin()
        async with asyncio.TaskGroup() as writers:
            for _ in range(self._writers):
                writers.create_task(self._write_on())

    async def _write_on(self) -> None:
        """Write one batch after the other; the next begins before the last is answered."""
        while not (self._closing and not self._queue):
            if not self._queue:
                self._something.clear()
                await self._something.wait()
                # Let every request that is ready right now join the batch.
                await asyncio.sleep(0)
                if not self._under_way:
                    self._pace.begin()
                continue
            async with self._taking:
                if self._crowd >= _CROWD:
                    await self._gather(min(self._crowd, self._halves.share))
                batch = self._take()
            if batch:
                await self._fly(batch)
            elif self._queue:
                self._landed.clear()
                await self._landed.wait()

    def _take(self) -> list[_Waiting[T, R]]:
        """Take a batch; none while all that wait are of senders that have something under way."""
        senders = self._senders_under_way
        batch = self._queue.take(self._halves.share, self._limits.batch_rows, but=senders)
        senders.update([one.weight.sender for one in batch if one.weight.sender])
        self._under_way += len(batch)
        self._crowd = len(batch)
        return batch

    async def _fly(self, batch: Sequence[_Waiting[T, R]]) -> None:
        try:
            await self._flush(batch)
        finally:
            self._under_way -= len(batch)
            self._senders_under_way.difference_update([one.weight.sender for one in batch])
            self._landed.set()
            # A few tell how long a commit takes, and nothing of how many it could have held.
            told = len(batch) >= min(_CROWD, self._limits.batch_reports)
            self._pace.note(len(batch) if told else None)

    async def _gather(self, wanted: int) -> None:
        """Wait until so many are there, while they keep coming, within the limit."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limits.gather_s
        before = -1
        while before < self._queue.length < wanted and loop.time() < deadline:
            before = self._queue.length
            await asyncio.sleep(_PAUSE_S)

    async def _flush(self, batch: Sequence[_Waiting[T, R]]) -> None:
        """Write a batch; one that fails is halved until the bad item stands alone."""
        time = asyncio.get_running_loop().time
        try:
            async with self._db.write() as tx:
                began = time()
                outcomes = await self._write(tx, [waiting.item for waiting in batch])
                written = time()
        except _WHOLE_BATCH as error:
            self._refuse(batch, error)
        except Exception as error:  # noqa: BLE001 - one bad item must not stop the rest
            if len(batch) > 1:
                middle = len(batch) // 2
                await self._flush(batch[:middle])
                await self._flush(batch[middle:])
                return
            self._refuse(batch, error)
        else:
            self.batches += 1
            self.committed += len(batch)
            self._halves.note(
                len(batch),
                self._queue.length + self._under_way - len(batch),
                writing_s=written - began,
                committing_s=time() - written,
            )
            for waiting, outcome in zip(batch, outcomes, strict=True):
                _answer(waiting, outcome)

    def _refuse(self, batch: Sequence[_Waiting[T, R]], error: Exception) -> None:
        if isinstance(error, UniqueViolation | MissingParent):
            # Another server stored the same report, or retired the device, this very moment; the
            # repeat will find out.
            refusal = overloaded()
        elif isinstance(error, StorageError | DomainError):
            refusal = of_exception(error) or overloaded()
        else:
            _log.error("report_failed", error=type(error).__name__, exc_info=error)
            refusal = DomainError(
                Kind.INVALID,
                "report_not_storable",
                "this report cannot be stored; set it aside and send its sequence emptied",
            )
        self.refused += len(batch)
        for waiting in batch:
            _answer(waiting, refusal)


def _answer(waiting: _Waiting[T, R], outcome: R | DomainError) -> None:
    if not waiting.answer.done():
        waiting.answer.set_result(outcome)


def overloaded() -> DomainError:
    """Refuse for now; the pause is spread, so that a fleet does not come back all at once."""
    return DomainError(
        Kind.UNAVAILABLE,
        "overloaded",
        "the server has more reports waiting than it can write soon; try again later",
        retry_after_s=random.randint(1, 15),  # noqa: S311 - spread, no secret
    )


def too_many_of(most: int) -> DomainError:
    """Refuse one more of a device that has so many waiting already."""
    return DomainError(
        Kind.UNAVAILABLE,
        "too_many_waiting",
        f"this device has {most} reports waiting already; send the next when one is answered",
        retry_after_s=random.randint(1, 15),  # noqa: S311 - spread, no secret
    )
