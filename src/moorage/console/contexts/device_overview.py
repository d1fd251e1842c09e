"""What the tab Overview of a device shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from moorage.console.contexts.device import DeviceFrame


@dataclass(frozen=True)
class ConfigBrief:
    """What the device is to run and what it proved to run. ``state`` is a word."""

    state: str
    revision: int
    since: datetime
    by: str
    applied_revision: int | None
    reported_at: datetime | None
    error: str | None


@dataclass(frozen=True)
class Gauge:
    """One figure of the latest sample; ``percent`` is None for what has no whole."""

    title: str
    text: str
    percent: float | None


@dataclass(frozen=True)
class Latest:
    """The latest sample."""

    at: datetime
    gauges: Sequence[Gauge]


@dataclass(frozen=True)
class RunningBrief:
    """A stream or a service in short; ``figures`` are its rates or what it uses."""

    name: str
    state: str
    figures: str
    error: str | None


@dataclass(frozen=True)
class EventBrief:
    """One of the last events."""

    at: datetime
    event: str
    text: str
    error_code: str | None


@dataclass(frozen=True)
class Period:
    """A span of time the charts can show: ``1h``, ``24h``, ``7d``, ``14d``."""

    key: str
    title: str


@dataclass(frozen=True)
class Overview:
    """The tab. Lists hold the first few; ``…_count`` say how many there are.

    ``chart_from`` and ``bucket_s`` are what the charts begin with and how wide their steps are.
    """

    frame: DeviceFrame
    config: ConfigBrief | None
    latest: Latest | None
    streams: Sequence[RunningBrief]
    stream_count: int
    services: Sequence[RunningBrief]
    service_count: int
    events: Sequence[EventBrief]
    period: str
    periods: Sequence[Period]
    chart_from: datetime
    bucket_s: int


@dataclass(frozen=True)
class Charted:
    """Telemetry for charts: ``at`` in epoch seconds, ascending, None where samples are missing.

    ``series`` maps a measure to its means; with ``_min``, ``_max`` behind its name to extremes.
    """

    start: int
    end: int
    width_s: int
    at: Sequence[int]
    series: Mapping[str, Sequence[float | None]]
