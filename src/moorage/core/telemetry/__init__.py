"""Samples a device takes of itself, and their means over buckets of time. Append only."""

from moorage.core.telemetry.model import MEASURES, Bucket, Sample, SampleRow
from moorage.core.telemetry.service import append, buckets, latest, list_samples, purge

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
]
