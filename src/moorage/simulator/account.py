"""The account of a run: every report that was made is in exactly one of its columns."""

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

# Each bucket is 2 % wide: percentiles are right within that, whatever the number of answers.
_GROWTH = math.log(1.02)
_PERCENTILES = (50, 90, 99, 99.9)


class Latencies:
    """Seconds from the wish to send until the whole answer, counted in buckets."""

    def __init__(self) -> None:
        """Start with none."""
        self._buckets: Counter[int] = Counter()
        self.count = 0
        self.longest_s = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self._buckets[math.ceil(math.log(max(seconds, 1e-6)) / _GROWTH)] += 1
        self.count += 1
        self.longest_s = max(self.longest_s, seconds)

    def percentile(self, percent: float) -> float | None:
        """Return the seconds that so many percent did not exceed; None before there are any."""
        wanted = math.ceil(self.count * percent / 100)
        seen = 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= wanted:
                return min(math.exp(bucket * _GROWTH), self.longest_s)
        return None

    def as_json(self) -> dict[str, float | None]:
        """Return percentiles in milliseconds."""
        found = {f"p{percent:g}": self.percentile(percent) for percent in _PERCENTILES}
        found["max"] = self.longest_s if self.count else None
        return {name: None if s is None else round(s * 1000, 2) for name, s in found.items()}


@dataclass
class Account:
    """Counts over all devices.

    ``made`` are reports that got a place in a chain, ``acknowledged`` those the server said it has,
    ``refused`` those it will never take, ``waiting`` those that are neither yet. ``sent`` are
    requests, ``resent`` those among them for a report that was sent before; ``answers_lost`` and
    ``cut`` are sendings that a profile spoiled. ``let_go`` are rows that a device had no room for.
    """

    made: int = 0
    acknowledged: int = 0
    refused: int = 0
    waiting: int = 0
    sent: int = 0
    resent: int = 0
    answers_lost: int = 0
    cut: int = 0
    backfill: int = 0
    forked: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    let_go: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    latencies: Latencies = field(default_factory=Latencies)

    @property
    def unaccounted(self) -> int:
        """Reports in no column: none, unless the account itself is wrong."""
        return self.made - self.acknowledged - self.refused - self.waiting

    def as_json(self) -> dict[str, Any]:
        """Return the columns."""
        return {
            "reports": {
                "made": self.made,
                "acknowledged": self.acknowledged,
                "refused": self.refused,
                "undelivered": self.waiting,
                "unaccounted": self.unaccounted,
                "by_backfill": self.backfill,
            },
            "sendings": {
                "sent": self.sent,
                "resent": self.resent,
                "answers_lost": self.answers_lost,
                "cut": self.cut,
                "forked": self.forked,
                "failures": dict(self.failures.most_common()),
            },
            "rows": {**dict(sorted(self.rows.items())), "let_go": self.let_go},
            "latency_ms": self.latencies.as_json(),
        }
