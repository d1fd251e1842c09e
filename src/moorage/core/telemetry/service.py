"""Appending samples and reading them."""

from collections.abc import Sequence
from datetime import timedelta

from moorage.core.caller import Caller, DeviceRef, Scope
from moorage.core.errors import invalid
from moorage.core.telemetry import store
from moorage.core.telemetry.model import Bucket, Sample, SampleRow
from moorage.core.timeline import Window
from moorage.kit.pages import Page
from moorage.storage import Tx

_MOST_BUCKETS = 2_000


async def append(tx: Tx, rows: Sequence[SampleRow]) -> None:
    """Append samples. Ingest calls this; each row names its device."""
    if rows:
        await store.append(tx, rows)


async def list_samples(  # noqa: PLR0913 - a query's parts
    tx: Tx, caller: Caller, device: DeviceRef, window: Window, *, cursor: str | None, limit: int
) -> Page[Sample]:
    """List raw samples, newest first (``device:read``)."""
    caller.require(Scope.DEVICE_READ)
    items, next_cursor = await store.list_samples(tx, device, window, cursor=cursor, limit=limit)
    return Page(items, next_cursor)


async def latest(tx: Tx, caller: Caller, device: DeviceRef) -> Sample | None:
    """Return the newest sample, or None (``device:read``)."""
    page = await list_samples(tx, caller, device, Window(), cursor=None, limit=1)
    return page.items[0] if page.items else None


async def buckets(
    tx: Tx, caller: Caller, device: DeviceRef, window: Window, *, width: timedelta
) -> list[Bucket]:
    """Means over buckets, ascending (``device:read``).

    Raises:
        DomainError: ``invalid`` when the window holds more than 2,000 buckets or is open.

    """
    caller.require(Scope.DEVICE_READ)
    if window.start is None or window.end is None:
        raise invalid("/start_time", "buckets need a start and an end")
    if (window.end - window.start) / width > _MOST_BUCKETS:
        raise invalid(
            "/bucket_s", f"that is over {_MOST_BUCKETS} buckets; take wider ones or a shorter time"
        )
    return await store.buckets(tx, device, window, width=width)


# What jobs do to samples and rollups alike, whatever they are of.
roll_up = store.rolled.roll_up
purge = store.rolled.delete_samples
purge_rollups = store.rolled.delete_some
