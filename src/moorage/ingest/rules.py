"""What of a report is kept, at what time: pure decisions and the rows that follow."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

import msgspec

from moorage.core import events
from moorage.ingest.model import Event, Incoming, LogLine, Sample
from moorage.kit.ids import new_row_id

# A clock that is off by less is not corrected: the network alone takes this long.
SKEW_IGNORED_MS = 2_000
_FUTURE = timedelta(minutes=5)


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


class _Dated(Protocol):
    at: datetime


_D = TypeVar("_D", bound=_Dated)


@dataclass
class Rows:
    """The rows a batch leaves in the append-only tables."""

    samples: list[dict[str, Any]] = field(default_factory=list)
    logs: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    def add(self, incoming: Incoming, now: datetime, retention: Retention) -> list[str]:
        """Add one report's rows; return notes on what was kept out."""
        report, device_id = incoming.report, incoming.device.device_id
        kept_out: dict[str, int] = {}
        correction = _correction(incoming.skew_ms)

        def dated(
            parts: list[_D], kept: timedelta, name: str
        ) -> Iterator[tuple[_D, dict[str, Any]]]:
            oldest, newest = now - kept, now + _FUTURE
            for part in parts:
                at = _corrected(part.at, correction)
                if at is None or not oldest <= at <= newest:
                    kept_out[name] = kept_out.get(name, 0) + 1
                    continue
                yield (
                    part,
                    {
                        "device_id": device_id,
                        "at": at,
                        "id": new_row_id(),
                        "device_at": None if correction is None else part.at,
                        "received_at": now,
                    },
                )

        for sample, row in dated(report.telemetry, retention.telemetry, "telemetry"):
            self.samples.append(_sample_row(sample, row))
        for line, row in dated(report.logs, retention.logs, "logs"):
            self.logs.append(_log_row(line, row))
        for event, row in dated(report.events, retention.events, "events"):
            self.events.append(_event_row(event, row, incoming, correction))
        lost = {source[:128]: count for source, count in report.dropped.items() if count}
        if lost:
            counts = dict(sorted(lost.items())[:_MOST_DROPPED])
            said = events.EventText(
                "reports.dropped",
                "the device had to let go of what it could not keep",
                None,
                counts,
            )
            self.events.append(dict(events.row_of(incoming.device, said, now)))
        return [
            f"{count} of {name} kept out: older than the retention or over 5 minutes in the future"
            for name, count in kept_out.items()
        ]


def _correction(skew_ms: int | None) -> timedelta | None:
    if skew_ms is None or abs(skew_ms) <= SKEW_IGNORED_MS:
        return None
    return timedelta(milliseconds=skew_ms)


def _corrected(at: datetime, correction: timedelta | None) -> datetime | None:
    if correction is None:
        return at
    try:
        return at - correction
    except OverflowError:
        return None


def _sample_row(sample: Sample, row: dict[str, Any]) -> dict[str, Any]:
    return {**msgspec.structs.asdict(sample), **row}


def _log_row(line: LogLine, row: dict[str, Any]) -> dict[str, Any]:
    row["service"] = line.service
    row["severity"] = line.severity
    row["message"] = line.message
    return row


def _event_row(
    event: Event, row: dict[str, Any], incoming: Incoming, correction: timedelta | None
) -> dict[str, Any]:
    row.update(
        workspace_id=incoming.device.workspace_id,
        live=incoming.device.live,
        event_id=event.id,
        event=event.event,
        entity_type=event.entity_type,
        entity_id=event.entity_id or incoming.device.device_id,
        description=event.description,
        error_code=event.error_code,
        metadata=event.metadata,
        ended_at=None if event.ended_at is None else _corrected(event.ended_at, correction),
    )
    return row


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
    correction = _correction(incoming.skew_ms)
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
                    "device_at": None if correction is None else report.sent_at,
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
