"""Streams a device runs: from its config and from its reports. Sources leave here sanitized."""

from moorage.core.streams.model import PROVISIONING, Stream, StreamFps, StreamRow
from moorage.core.streams.rules import sanitize
from moorage.core.streams.service import (
    failed,
    fps,
    get,
    list_streams,
    purge,
    purge_rollups,
    record,
    roll_up,
)
from moorage.core.streams.snapshots import (
    LARGEST_BYTES,
    Snapshot,
    get_snapshot,
    purge_snapshots,
    record_snapshot,
    snapshot_times,
)

__all__ = [
    "LARGEST_BYTES",
    "PROVISIONING",
    "Snapshot",
    "Stream",
    "StreamFps",
    "StreamRow",
    "failed",
    "fps",
    "get",
    "get_snapshot",
    "list_streams",
    "purge",
    "purge_rollups",
    "purge_snapshots",
    "record",
    "record_snapshot",
    "roll_up",
    "sanitize",
    "snapshot_times",
]
