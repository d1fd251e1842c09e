"""Reports waiting for their transaction: bounded, one flush in flight.

A report waits only while another flush runs, so a lone report is written at once and a crowd
shares one commit. The price of the shared commit is that a slow one delays all that wait for it;
the bounds keep that short and turn the rest away in time.
"""

import asyncio
import random
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog

from moorage.core.errors import DomainError, Kind, of_exception
from moorage.ingest.batch import Outcome, write_batch
from moorage.ingest.model import Incoming, Received
from moorage.ingest.rules import Retention
from moorage.storage import (
    Database,
    MissingParent,
    StorageBusy,
    StorageError,
    StorageFull,
    StorageUnavailable,
    UniqueViolation,
)

_log = structlog.get_logger("moorage.ingest")
# Not the fault of one report: the whole batch is refused, and nothing is halved.
_WHOLE_BATCH = (StorageBusy, StorageFull, StorageUnavailable)


# From so many reports at once a short wait for more pays.
_CROWD = 16
_PAUSE_S = 0.001


@dataclass(frozen=True)
class IngestLimits:
    """Bounds of the queue and of one batch.

    ``gather_s``: how long a batch waits for more when the one before was a crowd. A crowd that
    shares one commit is cheaper for all of it; a lone report never waits.
    """

    queued_reports: int = 4_000
    queued_bytes: int = 64 * 1024 * 1024
    batch_reports: int = 256
    batch_rows: int = 5_000
    oldest_s: float = 5.0
    gather_s: float = 0.010


@dataclass(eq=False, slots=True)
class _Waiting:
    incoming: Incoming
    answer: asyncio.Future[Outcome]
    since: float


class Ingest:
    """Takes reports in and answers each once it is durable."""

    def __init__(
        self, db: Database, *, retention: Retention, limits: IngestLimits | None = None
    ) -> None:
        """Keep the parts; nothing runs before ``start``."""
        self._db = db
        self._retention = retention
        self._limits = limits or IngestLimits()
        self._queue: deque[_Waiting] = deque()
        self._queued_bytes = 0
        self._something = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._closing = False
        self.committed_reports = 0
        self.committed_batches = 0
        self.refused_reports = 0

    @property
    def queued_reports(self) -> int:
        """How many reports wait."""
        return len(self._queue)

    def start(self) -> None:
        """Begin to write."""
        self._writer = asyncio.create_task(self._run(), name="ingest")

    async def stop(self) -> None:
        """Write what waits, then end; reports that come later are refused."""
        self._closing = True
        self._something.set()
        if self._writer is not None:
            await self._writer
            self._writer = None

    async def submit(self, incoming: Incoming) -> Received:
        """Return the acknowledgement once the report is durable.

        Raises:
            DomainError: a refusal, or ``unavailable`` when too much waits already.

        """
        loop = asyncio.get_running_loop()
        self._admit(incoming, loop.time())
        waiting = _Waiting(incoming, loop.create_future(), loop.time())
        self._queue.append(waiting)
        self._queued_bytes += incoming.size_bytes
        self._something.set()
        # A sender that hangs up changes nothing: its report is written all the same.
        outcome = await waiting.answer
        if isinstance(outcome, DomainError):
            raise outcome
        return outcome

    def _admit(self, incoming: Incoming, now: float) -> None:
        limits = self._limits
        full = (
            len(self._queue) >= limits.queued_reports
            or self._queued_bytes + incoming.size_bytes > limits.queued_bytes
            or (self._queue and now - self._queue[0].since > limits.oldest_s)
        )
        if full or self._closing:
            self.refused_reports += 1
            raise overloaded()

    async def _run(self) -> None:
        crowd = 0
        while not (self._closing and not self._queue):
            if not self._queue:
                self._something.clear()
                await self._something.wait()
                # Let every request that is ready right now join the batch.
                await asyncio.sleep(0)
                continue
            if crowd >= _CROWD:
                await self._gather(crowd)
            batch = self._take()
            crowd = len(batch)
            await self._flush(batch)

    async def _gather(self, crowd: int) -> None:
        """Wait for as many as came last time, while they keep coming, within the limit."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limits.gather_s
        before = -1
        while before < len(self._queue) < crowd and loop.time() < deadline:
            before = len(self._queue)
            await asyncio.sleep(_PAUSE_S)

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        rows = 0
        while self._queue and len(batch) < self._limits.batch_reports:
            report = self._queue[0].incoming.report
            rows += 1 + len(report.telemetry) + len(report.logs) + len(report.events)
            if batch and rows > self._limits.batch_rows:
                break
            waiting = self._queue.popleft()
            self._queued_bytes -= waiting.incoming.size_bytes
            batch.append(waiting)
        return batch

    async def _flush(self, batch: Sequence[_Waiting]) -> None:
        """Write a batch; one that fails is halved until the bad report stands alone."""
        try:
            async with self._db.write() as tx:
                outcomes = await write_batch(
                    tx, [waiting.incoming for waiting in batch], self._retention
                )
        except _WHOLE_BATCH as error:
            self._refuse(batch, error)
        except Exception as error:  # noqa: BLE001 - one bad report must not stop the rest
            if len(batch) > 1:
                middle = len(batch) // 2
                await self._flush(batch[:middle])
                await self._flush(batch[middle:])
                return
            self._refuse(batch, error)
        else:
            self.committed_batches += 1
            self.committed_reports += len(batch)
            for waiting, outcome in zip(batch, outcomes, strict=True):
                _answer(waiting, outcome)

    def _refuse(self, batch: Sequence[_Waiting], error: Exception) -> None:
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
        self.refused_reports += len(batch)
        for waiting in batch:
            _answer(waiting, refusal)


def _answer(waiting: _Waiting, outcome: Outcome) -> None:
    with suppress(asyncio.InvalidStateError):
        waiting.answer.set_result(outcome)


def overloaded() -> DomainError:
    """Refuse for now; the pause is spread, so that a fleet does not come back all at once."""
    return DomainError(
        Kind.UNAVAILABLE,
        "overloaded",
        "the server has more reports waiting than it can write soon; try again later",
        retry_after_s=random.randint(1, 15),  # noqa: S311 - spread, no secret
    )
