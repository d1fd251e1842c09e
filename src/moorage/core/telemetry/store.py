"""The tables of samples and of their rollups, and every statement on them."""

from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa

from moorage.core import rollups, timeline
from moorage.core.caller import DeviceRef
from moorage.core.telemetry.model import EXTREMES, MEASURES, Bucket, Sample, SampleRow
from moorage.storage import Prepared, Row, Tx

_samples = timeline.timeline_table(
    "telemetry_samples", *(sa.Column(name, sa.Double) for name in MEASURES)
)

rolled = rollups.Rolled("telemetry_rollups", _samples, means=MEASURES, extremes=EXTREMES)


def _sample(row: Row) -> Sample:
    return Sample(row.at, row.received_at, {name: getattr(row, name) for name in MEASURES})


_APPEND = Prepared(lambda _: sa.insert(_samples), order=SampleRow._fields)


async def append(tx: Tx, rows: Sequence[SampleRow]) -> None:
    """Append."""
    await rollups.note_late(tx, [row[:2] for row in rows])
    await tx.run_rows(_APPEND, rows)


async def list_samples(
    tx: Tx, device: DeviceRef, window: timeline.Window, *, cursor: str | None, limit: int
) -> tuple[list[Sample], str | None]:
    """One page of raw samples, newest first."""
    rows, next_cursor = await timeline.newest_first(
        tx, _samples, device, window=window, where=[], cursor=cursor, limit=limit
    )
    return [_sample(row) for row in rows], next_cursor


async def buckets(
    tx: Tx, device: DeviceRef, window: timeline.Window, *, width: timedelta
) -> list[Bucket]:
    """Means and extremes, ascending; a bucket without samples is absent."""
    found = await rolled.buckets(tx, device, window, width=width)
    return [Bucket(one.start, one.samples, one.values) for one in found]
