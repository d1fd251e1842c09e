"""Samples a device takes of itself, their rollups, and their means over buckets of time."""

from moorage.core.telemetry.model import MEASURES, Bucket, Sample, SampleRow
from moorage.core.telemetry.service import (
    append,
    buckets,
    latest,
    list_samples,
    purge,
    purge_rollups,
    roll_up,
)

__all__ = [
    "MEASURES",
    "Bucket",
    "Sample",
    "SampleRow",
    "append",
    "buckets",
    "latest",
    "list_samples",
    "purge",
    "purge_rollups",
    "roll_up",
]
