"""The stream tables and every statement on them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from moorage.core import rollups, timeline
from moorage.core.caller import DeviceRef
from moorage.core.streams.model import StreamRow
from moorage.kit.clock import to_ms
from moorage.storage import Engine, Millis, Prepared, Row, Tx, table

_states = table(
    "stream_states",
    sa.Column("device_id", sa.ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("stream_id", sa.Text, primary_key=True),
    sa.Column("status", sa.Text),
    sa.Column("pipeline_id", sa.Text),
    sa.Column("started_at", Millis),
    sa.Column("last_event_at", Millis),
    sa.Column("camera_fps", sa.Double),
    sa.Column("inference_fps", sa.Double),
    sa.Column("sharpness", sa.Double),
    sa.Column("error", sa.Text),
    sa.Column("reported_at", Millis, nullable=False),
)
_rates = timeline.timeline_table(
    "stream_samples",
    sa.Column("stream_id", sa.Text, nullable=False),
    sa.Column("camera_fps", sa.Double),
    sa.Column("inference_fps", sa.Double),
    sa.Column("sharpness", sa.Double),
)
rolled = rollups.Rolled(
    "stream_rollups", _rates, means=("camera_fps", "inference_fps", "sharpness"), of="stream_id"
)

_snapshots = table(
    "stream_snapshots",
    sa.Column("device_id", sa.ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("stream_id", sa.Text, primary_key=True),
    sa.Column("taken_at", Millis, nullable=False, index=True),
    sa.Column("command_id", sa.Text, nullable=False),
    sa.Column("jpeg", sa.LargeBinary, nullable=False),
)

_TOLD = ("status", "pipeline_id", "started_at", "camera_fps", "inference_fps", "sharpness", "error")
_KEY = ("device_id", "stream_id")
_COLUMNS = (*_KEY, *_TOLD, "last_event_at", "reported_at")

_KNOWN = Prepared(
    lambda engine: sa.select(
        _states.c.device_id, _states.c.stream_id, _states.c.status, _states.c.last_event_at
    ).join(listed := engine.listed("id"), listed.c.id == _states.c.device_id)
)
_DELETE = Prepared(
    lambda _: sa.delete(_states).where(
        *(_states.c[name] == sa.bindparam(f"_{name}") for name in _KEY)
    ),
    order=[f"_{name}" for name in _KEY],
)


def _put(engine: Engine) -> Any:
    row = engine.insert(_states)
    told = {name: row.excluded[name] for name in _COLUMNS if name not in _KEY}
    return row.on_conflict_do_update(index_elements=_KEY, set_=told)


_PUT = Prepared(_put, order=_COLUMNS)


async def replace_states(tx: Tx, states: Mapping[str, Sequence[StreamRow]]) -> None:
    """Make these the devices' streams; one whose status changed has an event time of now.

    A row a stream. The devices are taken in the order of their ids, so that two writers cannot
    deadlock.
    """
    listed = tx.engine.listed_value([(device_id,) for device_id in states])
    gone = {
        (device_id, stream_id): (status, event_at)
        for device_id, stream_id, status, event_at in await tx.plain_rows_of(_KNOWN, listed)
    }
    now, put = to_ms(tx.now), []
    for device_id, rows in sorted(states.items()):
        for row in sorted(rows, key=itemgetter("stream_id")):
            key = (device_id, row["stream_id"])
            status, event_at = gone.pop(key, (None, None))
            if event_at is None or status != row["status"]:
                event_at = now
            started = row["started_at"]
            told = {**row, "started_at": None if started is None else to_ms(started)}
            put.append((*key, *(told[name] for name in _TOLD), event_at, now))
    if gone:
        await tx.run_rows(_DELETE, sorted(gone))
    if put:
        await tx.run_rows(_PUT, put)


async def states_of(tx: Tx, device_id: str) -> Sequence[Row]:
    """What the device last reported of its streams."""
    return await tx.rows(
        sa.select(_states).where(_states.c.device_id == device_id).order_by(_states.c.stream_id)
    )


async def with_status(tx: Tx, owned: Any, status: str) -> Sequence[Row]:
    """Streams of these devices that reported a status: device_id, stream_id, error."""
    return await tx.rows(
        sa.select(_states.c.device_id, _states.c.stream_id, _states.c.error)
        .where(_states.c.status == status, _states.c.device_id.in_(owned))
        .order_by(_states.c.device_id, _states.c.stream_id)
    )


_APPEND = Prepared(lambda _: sa.insert(_rates))


async def append_rates(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Append rates."""
    await rollups.note_late(tx, [(row["device_id"], to_ms(row["at"])) for row in rows])
    await tx.run_many(_APPEND, rows)


async def rates(
    tx: Tx, device: DeviceRef, window: timeline.Window, *, width: timedelta
) -> Sequence[rollups.Figures]:
    """Mean rates by stream and bucket, ascending."""
    return await rolled.buckets(tx, device, window, width=width)


async def replace_snapshot(
    tx: Tx, device_id: str, stream_id: str, values: Mapping[str, Any]
) -> None:
    """Keep a picture in place of the one before."""
    key = {"device_id": device_id, "stream_id": stream_id}
    await tx.run(
        tx.engine.insert(_snapshots)
        .values(**key, **values)
        .on_conflict_do_update(index_elements=list(key), set_=dict(values))
    )


async def snapshot_times(tx: Tx, device_id: str, *, since: datetime) -> Sequence[Row]:
    """Whose pictures there are, and when they arrived: stream_id, taken_at."""
    return await tx.rows(
        sa.select(_snapshots.c.stream_id, _snapshots.c.taken_at).where(
            _snapshots.c.device_id == device_id, _snapshots.c.taken_at >= since
        )
    )


async def find_snapshot(tx: Tx, device_id: str, stream_id: str, *, since: datetime) -> Row | None:
    """Return a stream's picture if it is no older."""
    return await tx.row(
        sa.select(_snapshots).where(
            _snapshots.c.device_id == device_id,
            _snapshots.c.stream_id == stream_id,
            _snapshots.c.taken_at >= since,
        )
    )


async def delete_snapshots(tx: Tx, before: datetime, rows: int) -> int:
    """Delete up to ``rows`` pictures from before a time."""
    old = (
        sa.select(_snapshots.c.device_id, _snapshots.c.stream_id)
        .where(_snapshots.c.taken_at < before)
        .limit(rows)
    )
    key = sa.tuple_(_snapshots.c.device_id, _snapshots.c.stream_id)
    return await tx.run(sa.delete(_snapshots).where(key.in_(old)))
