"""What a rollup is, and how far rolling up has come."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

# The two widths rows are kept in; the buckets that APIs answer for a day and more are multiples.
FINE = timedelta(minutes=5)
HOUR = timedelta(hours=1)
FINE_MS = 300_000
HOUR_MS = 3_600_000

# A device and a span of whole hours to sum up: from, until.
Span: TypeAlias = tuple[str, datetime, datetime]
Spans: TypeAlias = Sequence[Span]


@dataclass(frozen=True, slots=True)
class Part:
    """A span of time, in epoch milliseconds, and what its figures are read from.

    ``unit_ms`` is the width of the rows, or 0 for the samples themselves.
    """

    unit_ms: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Figures:
    """One bucket: its start, what it is of (a stream's id), samples, means, ``_min``, ``_max``."""

    start: datetime
    of: str | None
    samples: int
    values: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Walk:
    """A walk through all devices that sums up [start, end); ``after`` is the last one done."""

    start: datetime
    end: datetime
    after: str
