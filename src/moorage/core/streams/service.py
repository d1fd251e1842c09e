"""Streams as config and reports together have them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from moorage.core import config, devices
from moorage.core.caller import Caller, DeviceRef, Scope
from moorage.core.errors import not_found
from moorage.core.streams import rules, store
from moorage.core.streams.model import FAILED, PROVISIONING, Stream, StreamFps, StreamRow
from moorage.core.timeline import Window
from moorage.storage import Row, Tx


async def record(
    tx: Tx, states: Mapping[str, Sequence[StreamRow]], rates: Sequence[Mapping[str, Any]]
) -> None:
    """Keep what devices report: the present by device, rates for the record. Ingest calls this."""
    if states:
        await store.replace_states(tx, states)
    if rates:
        await store.append_rates(tx, rates)


async def list_streams(tx: Tx, caller: Caller, device: DeviceRef) -> list[Stream]:
    """List a device's streams, configured and reported, by id (``device:read``)."""
    caller.require(Scope.DEVICE_READ)
    configured = await config.streams_of(tx, device)
    reported = {row.stream_id: row for row in await store.states_of(tx, device.device_id)}
    return [
        _stream(stream_id, configured.get(stream_id), reported.get(stream_id))
        for stream_id in sorted({*configured, *reported})
    ]


async def failed(tx: Tx, caller: Caller) -> dict[str, list[str]]:
    """Return ids of streams that last reported to have failed, by device (``device:read``)."""
    found: dict[str, list[str]] = {}
    for row in await store.with_status(tx, devices.ids_of(caller), FAILED):
        found.setdefault(row.device_id, []).append(row.stream_id)
    return found


async def get(tx: Tx, caller: Caller, device: DeviceRef, stream_id: str) -> Stream:
    """Return one stream (``device:read``). Raises DomainError ``not_found``."""
    for stream in await list_streams(tx, caller, device):
        if stream.id == stream_id:
            return stream
    raise not_found("stream")


async def fps(
    tx: Tx, caller: Caller, device: DeviceRef, window: Window, *, width: timedelta
) -> list[StreamFps]:
    """Return mean rates by stream over buckets of a closed window, ascending (``device:read``)."""
    caller.require(Scope.DEVICE_READ)
    streams = {stream.id: stream for stream in await list_streams(tx, caller, device)}
    found: dict[str, list[tuple[datetime, float | None, float | None, float | None]]] = {}
    for one in await store.rates(tx, device, window, width=width):
        rates = one.values
        bucket = (one.start, rates["camera_fps"], rates["inference_fps"], rates["sharpness"])
        found.setdefault(one.of or "", []).append(bucket)
    return [
        StreamFps(
            stream_id,
            known.name if (known := streams.get(stream_id)) else None,
            known.pipeline_id if known else None,
            buckets,
        )
        for stream_id, buckets in found.items()
    ]


def _stream(stream_id: str, own: Mapping[str, Any] | None, told: Row | None) -> Stream:
    own = own or {}
    return Stream(
        id=stream_id,
        name=_text(own.get("name")),
        status=told.status if told else PROVISIONING,
        pipeline_id=(told.pipeline_id if told else None) or _text(own.get("pipeline_id")),
        workflow_id=_text(own.get("workflow_id")),
        source=rules.sanitize(own.get("source")),
        started_at=told.started_at if told else None,
        last_event_at=told.last_event_at if told else None,
        camera_fps=told.camera_fps if told else None,
        inference_fps=told.inference_fps if told else None,
        sharpness=told.sharpness if told else None,
        error=told.error if told else None,
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


# What jobs do to samples and rollups alike, whatever they are of.
roll_up = store.rolled.roll_up
purge = store.rolled.delete_samples
purge_rollups = store.rolled.delete_some
