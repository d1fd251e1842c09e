"""What a sample is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

# Percentages 0 to 100, degrees Celsius, bytes per second; each may be unknown (None).
MEASURES = (
    "cpu_percent",
    "memory_percent",
    "disk_percent",
    "gpu_percent",
    "temperature_c",
    "network_upload_bytes_per_sec",
    "network_download_bytes_per_sec",
)
EXTREMES = ("cpu_percent", "memory_percent", "disk_percent", "gpu_percent")


class SampleRow(NamedTuple):
    """A row as the store takes it: the columns in their order, times in epoch milliseconds."""

    device_id: str
    at: int
    id: int
    device_at: int | None
    received_at: int
    cpu_percent: float | None = None
    memory_percent: float | None = None
    disk_percent: float | None = None
    gpu_percent: float | None = None
    temperature_c: float | None = None
    network_upload_bytes_per_sec: float | None = None
    network_download_bytes_per_sec: float | None = None


@dataclass(frozen=True)
class Sample:
    """One sample; ``values`` maps each of MEASURES to a number or None."""

    at: datetime
    received_at: datetime
    values: Mapping[str, float | None]


@dataclass(frozen=True)
class Bucket:
    """Means over one span of time, with ``_min`` and ``_max`` of the percentages."""

    start: datetime
    samples: int
    values: Mapping[str, float | None]
