"""What of a report is kept, at what time: pure decisions and the rows that follow."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeAlias, TypeVar

import msgspec

from moorage.core import events
from moorage.core.logs import LogRow
from moorage.core.telemetry import SampleRow
from moorage.ingest.model import Event, Incoming, LogLine, Sample
from moorage.kit.clock import from_ms, to_ms
from moorage.kit.ids import new_row_id

# A clock that is off by less is not corrected: the network alone takes this long.
SKEW_IGNORED_MS = 2_000
_FUTURE = timedelta(minutes=5)
_MILLISECOND = timedelta(milliseconds=1)
_FUTURE_MS = _FUTURE // _MILLISECOND


@dataclass(frozen=True)
class Retention:
    """How long each kind of row is kept."""

    telemetry: timedelta = timedelta(days=14)
    telemetry_5min: timedelta = timedelta(days=30)
    telemetry_hourly: timedelta = timedelta(days=400)
    logs: timedelta = timedelta(days=7)
    events: timedelta = timedelta(days=90)
    audit: timedelta = timedelta(days=365)


# Sources that one event names.
_MOST_DROPPED = 64
# What a row begins with after its device: at, id, device_at, received_at; in milliseconds.
_Times: TypeAlias = tuple[int, int, int | None, int]
_D = TypeVar("_D", Sample, LogLine, Event)


@dataclass
class Rows:
    """The rows a batch leaves in the append-only tables; ``now`` is the batch's present."""

    now: datetime
    samples: list[SampleRow] = field(default_factory=list)
    logs: list[LogRow] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Bring the present into the form of rows."""
        self._now_ms = to_ms(self.now)

    def add(self, incoming: Incoming, retention: Retention) -> list[str]:
        """Add one report's rows; return notes on what was kept out."""
        report = incoming.report
        kept_out: dict[str, int] = {}
        if report.telemetry:
            kept_out["telemetry"] = self._add_samples(incoming, retention.telemetry)
        if report.logs:
            kept_out["logs"] = self._add_lines(incoming, retention.logs)
        if report.events:
            kept_out["events"] = self._add_events(incoming, retention.events)
        if report.dropped:
            self._add_dropped(incoming, report.dropped)
        return [
            f"{count} of {name} kept out: older than the retention or over 5 minutes in the future"
            for name, count in kept_out.items()
            if count
        ]

    def _add_samples(self, incoming: Incoming, kept: timedelta) -> int:
        device_id, samples = incoming.device.device_id, incoming.report.telemetry
        before = len(self.samples)
        for sample, times in self._dated(samples, incoming.skew_ms, kept):
            self.samples.append(
                SampleRow(
                    device_id,
                    *times,
                    sample.cpu_percent,
                    sample.memory_percent,
                    sample.disk_percent,
                    sample.gpu_percent,
                    sample.temperature_c,
                    sample.network_upload_bytes_per_sec,
                    sample.network_download_bytes_per_sec,
                )
            )
        return before + len(samples) - len(self.samples)

    def _add_lines(self, incoming: Incoming, kept: timedelta) -> int:
        device_id, lines = incoming.device.device_id, incoming.report.logs
        before = len(self.logs)
        for line, times in self._dated(lines, incoming.skew_ms, kept):
            said = (line.service, line.severity, line.message)
            self.logs.append(LogRow(device_id, *times, *said))
        return before + len(lines) - len(self.logs)

    def _add_events(self, incoming: Incoming, kept: timedelta) -> int:
        told, before = incoming.report.events, len(self.events)
        for event, times in self._dated(told, incoming.skew_ms, kept):
            self.events.append(_event_row(event, times, incoming))
        return before + len(told) - len(self.events)

    def _add_dropped(self, incoming: Incoming, dropped: Mapping[str, int]) -> None:
        lost = {source[:128]: count for source, count in dropped.items() if count}
        if lost:
            counts = dict(sorted(lost.items())[:_MOST_DROPPED])
            said = events.EventText(
                "reports.dropped",
                "the device had to let go of what it could not keep",
                None,
                counts,
            )
            self.events.append(dict(events.row_of(incoming.device, said, self.now)))

    def _dated(
        self, parts: Sequence[_D], skew_ms: int | None, kept: timedelta
    ) -> Iterator[tuple[_D, _Times]]:
        """Give each part that may be kept with the times of its row and the row's id."""
        now = self._now_ms
        oldest, newest = now - kept // _MILLISECOND, now + _FUTURE_MS
        correction = _correction_ms(skew_ms)
        for part in parts:
            told = to_ms(part.at)
            at = told - correction
            if oldest <= at <= newest:
                yield part, (at, new_row_id(), told if correction else None, now)


def _correction_ms(skew_ms: int | None) -> int:
    return 0 if skew_ms is None or abs(skew_ms) <= SKEW_IGNORED_MS else skew_ms


def _corrected(at: datetime, correction_ms: int) -> datetime | None:
    if not correction_ms:
        return at
    try:
        return at - timedelta(milliseconds=correction_ms)
    except OverflowError:
        return None


def _event_row(event: Event, times: _Times, incoming: Incoming) -> dict[str, Any]:
    at, row_id, device_at, received_at = times
    ended_at, correction = event.ended_at, _correction_ms(incoming.skew_ms)
    return {
        "device_id": incoming.device.device_id,
        "at": from_ms(at),
        "id": row_id,
        "device_at": None if device_at is None else event.at,
        "received_at": from_ms(received_at),
        "workspace_id": incoming.device.workspace_id,
        "live": incoming.device.live,
        "event_id": event.id,
        "event": event.event,
        "entity_type": event.entity_type,
        "entity_id": event.entity_id or incoming.device.device_id,
        "description": event.description,
        "error_code": event.error_code,
        "metadata": event.metadata,
        "ended_at": None if ended_at is None else _corrected(ended_at, correction),
    }


def facts_told(incoming: Incoming) -> dict[str, Any]:
    """Return the facts of a report that were told, as plain values."""
    facts = incoming.report.facts
    if facts is None:
        return {}
    told: dict[str, Any] = msgspec.to_builtins(facts)
    return told


def stream_rows(
    incoming: Incoming, now: datetime, retention: Retention
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return a report's streams as states, and their rates as rows of the record.

    Rates of a time that no sample could have either are not recorded.
    """
    report = incoming.report
    correction = _correction_ms(incoming.skew_ms)
    at = _corrected(report.sent_at, correction)
    if at is not None and not now - retention.telemetry <= at <= now + _FUTURE:
        at = None
    states, rates = [], []
    for stream in {stream.id: stream for stream in report.streams or ()}.values():
        told = msgspec.structs.asdict(stream)
        told["stream_id"] = told.pop("id")
        if stream.started_at is not None:
            told["started_at"] = _corrected(stream.started_at, correction)
        states.append(told)
        if at is not None and (stream.camera_fps, stream.inference_fps) != (None, None):
            rates.append(
                {
                    "device_id": incoming.device.device_id,
                    "at": at,
                    "id": new_row_id(),
                    "device_at": report.sent_at if correction else None,
                    "received_at": now,
                    "stream_id": stream.id,
                    "camera_fps": stream.camera_fps,
                    "inference_fps": stream.inference_fps,
                    "sharpness": stream.sharpness,
                }
            )
    return states, rates


def result_rows(incoming: Incoming) -> list[dict[str, Any]]:
    """Return a report's command results."""
    device = incoming.device
    return [
        {
            "workspace_id": device.workspace_id,
            "device_id": device.device_id,
            "live": device.live,
            **msgspec.structs.asdict(result),
        }
        for result in incoming.report.commands
    ]
