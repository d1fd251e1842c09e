"""What the tab Overview of a device reads."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from moorage.console.contexts.device_overview import (
    Charted,
    EventBrief,
    Gauge,
    Latest,
    Overview,
    Period,
    RunningBrief,
)
from moorage.console.queries.device import authors, frame_of
from moorage.console.queries.device_config import brief_of
from moorage.console.showing import size
from moorage.core import config, devices, events, services, streams, telemetry
from moorage.core.caller import Caller, Scope
from moorage.core.errors import invalid
from moorage.core.services import Service
from moorage.core.streams import Stream
from moorage.core.telemetry import Bucket, Sample
from moorage.core.timeline import Window
from moorage.kit.clock import to_ms
from moorage.storage import Tx

_FEW = 8
_LAST_EVENTS = 8
_MS = 1000
# What a line may leap over: fewer missing than that is jitter, not absence.
_GAP_BUCKETS = 2
_GAP_INTERVALS = 3


class _Span(NamedTuple):
    title: str
    length: timedelta
    width: timedelta


# Widths are those of rollups from a day on, so that two weeks are read as quickly as an hour.
PERIODS = {
    "1h": _Span("1 hour", timedelta(hours=1), timedelta(minutes=1)),
    "24h": _Span("24 hours", timedelta(hours=24), timedelta(minutes=5)),
    "7d": _Span("7 days", timedelta(days=7), timedelta(minutes=30)),
    "14d": _Span("14 days", timedelta(days=14), timedelta(hours=1)),
}
FIRST_PERIOD = "24h"

_PERCENTAGES = {
    "cpu_percent": "CPU",
    "memory_percent": "Memory",
    "disk_percent": "Disk",
    "gpu_percent": "GPU",
}
_RATES = {"network_upload_bytes_per_sec": "Sending", "network_download_bytes_per_sec": "Receiving"}


async def show(tx: Tx, caller: Caller, device_id: str, period: str) -> Overview:
    """Read the tab. Raises DomainError ``not_found``, ``invalid`` for the period."""
    span = _span(period)
    device = await devices.get(tx, caller, device_id)
    view = None
    if caller.may(Scope.CONFIG_READ):
        view = await config.get(tx, caller, device.ref)
    sample = await telemetry.latest(tx, caller, device.ref)
    running = await streams.list_streams(tx, caller, device.ref)
    containers = await services.list_services(tx, caller, device.ref)
    happened = await events.list_events(
        tx, caller, device.ref, Window(), cursor=None, limit=_LAST_EVENTS
    )
    return Overview(
        frame=frame_of(caller, device, view.applied if view else None),
        config=brief_of(view, await authors(tx, caller)) if view else None,
        latest=_latest(sample) if sample else None,
        streams=[_stream(one) for one in running[:_FEW]],
        stream_count=len(running),
        services=[_service(one) for one in containers[:_FEW]],
        service_count=len(containers),
        events=[
            EventBrief(one.at, one.event, one.description or "", one.error_code)
            for one in happened.items
        ],
        period=period,
        periods=[Period(key, one.title) for key, one in PERIODS.items()],
        chart_from=tx.now - span.length,
        bucket_s=int(span.width.total_seconds()),
    )


async def chart(tx: Tx, caller: Caller, device_id: str, period: str) -> Charted:
    """Read telemetry of a period that ends now, in buckets (``device:read``)."""
    span = _span(period)
    device = await devices.get(tx, caller, device_id)
    window = Window(tx.now - span.length, tx.now)
    found = await telemetry.buckets(tx, caller, device.ref, window, width=span.width)
    longest = max(_GAP_BUCKETS * span.width, timedelta(seconds=_GAP_INTERVALS * device.interval_s))
    spread = _with_gaps(found, span.width, longest)
    names = sorted(
        {name for one in found for name, value in one.values.items() if value is not None}
    )
    return Charted(
        start=to_ms(tx.now - span.length) // _MS,
        end=to_ms(tx.now) // _MS,
        width_s=int(span.width.total_seconds()),
        at=[to_ms(one.start) // _MS for one in spread],
        series={name: [_rounded(one.values.get(name)) for one in spread] for name in names},
    )


def _span(period: str) -> _Span:
    span = PERIODS.get(period)
    if span is None:
        raise invalid("/period", f"a period is one of {', '.join(PERIODS)}")
    return span


def _with_gaps(found: Sequence[Bucket], width: timedelta, longest: timedelta) -> list[Bucket]:
    """Put an empty bucket where a line is to break."""
    spread: list[Bucket] = []
    for one in found:
        if spread and one.start - spread[-1].start > longest:
            spread.append(Bucket(spread[-1].start + width, 0, {}))
        spread.append(one)
    return spread


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _latest(sample: Sample) -> Latest:
    values = sample.values
    gauges = [
        Gauge(title, f"{value:.0f} %", max(0.0, min(100.0, value)))
        for name, title in _PERCENTAGES.items()
        if (value := values.get(name)) is not None
    ]
    if (degrees := values.get("temperature_c")) is not None:
        gauges.append(Gauge("Temperature", f"{degrees:.0f} °C", None))
    gauges += [
        Gauge(title, f"{size(value)}/s", None)
        for name, title in _RATES.items()
        if (value := values.get(name)) is not None
    ]
    return Latest(sample.at, gauges)


def _stream(one: Stream) -> RunningBrief:
    rates = [
        f"{value:.1f} {unit}"
        for value, unit in ((one.camera_fps, "fps"), (one.inference_fps, "inferences/s"))
        if value is not None
    ]
    return RunningBrief(one.name or one.id, one.status or "", ", ".join(rates), one.error)


def _service(one: Service) -> RunningBrief:
    used = []
    if one.cpu_percent is not None:
        used.append(f"{one.cpu_percent:.0f} % CPU")
    if one.memory_mb is not None:
        used.append(f"{one.memory_mb:.0f} MB")
    if one.restarts:
        used.append(f"{one.restarts} restarts")
    return RunningBrief(one.name, one.state or "", ", ".join(used), one.error)
