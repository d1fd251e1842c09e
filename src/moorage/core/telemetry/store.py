"""The samples table and every statement on it."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from moorage.core import timeline
from moorage.core.caller import DeviceRef
from moorage.core.telemetry.model import MEASURES, PEAKS, Bucket, Sample, SampleRow
from moorage.kit.clock import from_ms
from moorage.storage import Prepared, Row, Tx

_samples = timeline.timeline_table(
    "telemetry_samples", *(sa.Column(name, sa.Double) for name in MEASURES)
)


def _sample(row: Row) -> Sample:
    return Sample(row.at, row.received_at, {name: getattr(row, name) for name in MEASURES})


_APPEND = Prepared(lambda _: sa.insert(_samples))


async def append(tx: Tx, rows: Sequence[SampleRow]) -> None:
    """Append."""
    await tx.run_many(_APPEND, rows)


async def list_samples(
    tx: Tx, device: DeviceRef, window: timeline.Window, *, cursor: str | None, limit: int
) -> tuple[list[Sample], str | None]:
    """One page of raw samples, newest first."""
    rows, next_cursor = await timeline.newest_first(
        tx, _samples, device, window=window, where=[], cursor=cursor, limit=limit
    )
    return [_sample(row) for row in rows], next_cursor


async def buckets(
    tx: Tx, device: DeviceRef, window: timeline.Window, *, width_ms: int
) -> list[Bucket]:
    """Means and peaks, ascending; a bucket without samples is absent."""
    at = sa.type_coerce(_samples.c.at, sa.BigInteger)
    start = (at - at % sa.literal(width_ms, sa.BigInteger)).label("start")
    chosen = (
        sa.select(
            start,
            sa.func.count().label("samples"),
            *(sa.func.avg(_samples.c[name]).label(name) for name in MEASURES),
            *(sa.func.max(_samples.c[name]).label(f"{name}_max") for name in PEAKS),
        )
        .where(_samples.c.device_id == device.device_id, *timeline.within(_samples, window))
        .group_by(sa.literal_column("1"))
        .order_by(sa.literal_column("1"))
    )
    names = [*MEASURES, *(f"{name}_max" for name in PEAKS)]
    return [
        Bucket(from_ms(row.start), row.samples, {name: getattr(row, name) for name in names})
        for row in await tx.rows(chosen)
    ]


async def delete_some(
    tx: Tx, device_ids: Sequence[str], *, before: datetime | None, rows: int
) -> int:
    """Delete old rows."""
    return await timeline.delete_some(tx, _samples, device_ids, before=before, rows=rows)
