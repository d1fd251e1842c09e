"""What the fleet page shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Row:
    """One device of the table."""

    id: str
    name: str
    type: str
    status: str
    reason: str
    tags: Sequence[str]
    hostname: str | None
    last_seen_at: datetime | None


@dataclass(frozen=True)
class Fleet:
    """The table and the totals."""

    rows: Sequence[Row]
    counts: Mapping[str, int]
