"""What a stream is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

PROVISIONING = "provisioning"
FAILED = "failed"


@dataclass(frozen=True)
class Stream:
    """A stream as its config and the device's last word have it; what neither says is None.

    ``status`` is ``provisioning`` until the device reports it. ``source`` is sanitized.
    """

    id: str
    name: str | None
    status: str | None
    pipeline_id: str | None
    workflow_id: str | None
    source: Any
    started_at: datetime | None
    last_event_at: datetime | None
    camera_fps: float | None
    inference_fps: float | None
    sharpness: float | None
    error: str | None


@dataclass(frozen=True)
class StreamFps:
    """Rates of one stream over buckets: (start, camera_fps, inference_fps, sharpness)."""

    stream_id: str
    stream_name: str | None
    pipeline_id: str | None
    buckets: Sequence[tuple[datetime, float | None, float | None, float | None]]


# A stream's state as the store takes it; its keys are the columns of the table.
StreamRow: TypeAlias = Mapping[str, Any]
