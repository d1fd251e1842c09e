"""What dialects hand in: reports, and check-ins of devices that speak no report."""

from collections.abc import Coroutine, Sequence
from typing import Any

from moorage.core.caller import DeviceRef
from moorage.core.errors import DomainError
from moorage.ingest.batch import Outcome, write_batch
from moorage.ingest.checkins import CheckedIn, Checkin, write_checkins
from moorage.ingest.kept import Kept
from moorage.ingest.lines import Weight
from moorage.ingest.model import Incoming, Received
from moorage.ingest.queue import Batches, IngestLimits
from moorage.ingest.room import Room
from moorage.ingest.rules import Retention
from moorage.storage import Database, Tx

# What a check-in holds while it waits, about; its body is bounded to far less than a report's.
_CHECKIN_ROWS, _CHECKIN_BYTES = 3, 2_000


class Ingest:
    """Takes in what devices send, and answers each once it is durable."""

    def __init__(
        self, db: Database, *, retention: Retention | Kept, limits: IngestLimits | None = None
    ) -> None:
        """Keep the parts; nothing runs before ``start``."""
        kept = retention if isinstance(retention, Kept) else Kept(retention)
        bounds = limits or IngestLimits()
        self.room = Room()

        async def write_reports(tx: Tx, batch: Sequence[Incoming]) -> Sequence[Outcome]:
            return await write_batch(tx, batch, kept, self.room)

        async def write_signs_of_life(
            tx: Tx, batch: Sequence[Checkin]
        ) -> Sequence[CheckedIn | DomainError]:
            return await write_checkins(tx, batch, self.room)

        self._reports: Batches[Incoming, Received] = Batches(
            db, write_reports, weigh=_weight_of, limits=bounds
        )
        self._checkins: Batches[Checkin, CheckedIn] = Batches(
            db, write_signs_of_life, weigh=_weight_of_checkin, limits=bounds
        )

    @property
    def queued_reports(self) -> int:
        """How many reports wait."""
        return self._reports.queued

    @property
    def committed_reports(self) -> int:
        """How many reports were answered after a commit."""
        return self._reports.committed

    @property
    def committed_batches(self) -> int:
        """How many commits that took."""
        return self._reports.batches

    @property
    def refused_reports(self) -> int:
        """How many reports were turned away unstored."""
        return self._reports.refused

    def start(self) -> None:
        """Begin to write."""
        self._reports.start()
        self._checkins.start()

    async def stop(self) -> None:
        """Write what waits, then end; what comes later is refused."""
        await self._reports.stop()
        await self._checkins.stop()

    def check_room(self, device: DeviceRef) -> None:
        """Raise what ``submit`` would for a report of this device, before it is read and parsed.

        Raises:
            DomainError: ``unavailable`` when too much waits already.

        """
        self._reports.check(device.workspace_id, device.device_id)

    def submit(self, incoming: Incoming) -> Coroutine[Any, Any, Received]:
        """Return a report's acknowledgement once it is durable.

        Raises:
            DomainError: a refusal, or ``unavailable`` when too much waits already.

        """
        return self._reports.submit(incoming)

    async def check_in(self, checkin: Checkin) -> CheckedIn:
        """Return what a device that checked in is to do, once its check-in is durable.

        Raises:
            DomainError: as ``submit``.

        """
        return await self._checkins.submit(checkin)


def _weight_of(incoming: Incoming) -> Weight:
    report = incoming.report
    rows = 1 + len(report.telemetry) + len(report.logs) + len(report.events)
    device = incoming.device
    return Weight(rows, incoming.size_bytes, device.workspace_id, device.device_id)


def _weight_of_checkin(checkin: Checkin) -> Weight:
    device = checkin.device
    return Weight(_CHECKIN_ROWS, _CHECKIN_BYTES, device.workspace_id, device.device_id)
