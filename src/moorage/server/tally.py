"""What the front door counts: plain numbers, put into the form of metrics when they are asked for.

The client library's counters take a lock for each number and look through the buckets one by one,
for threads that this has not: requests are answered on the loop.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 30.0)
_LABELS = [*map(str, _BOUNDS), "+Inf"]


class Tally(Collector):
    """Requests by method, route and status, and how long those of each route took."""

    def __init__(self) -> None:
        """Start at nothing."""
        self._answers: Counter[tuple[str, str, int]] = Counter()
        self._buckets: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = {}

    def note(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        self._answers[method, route, status] += 1
        buckets = self._buckets.get(route)
        if buckets is None:
            buckets = self._buckets[route] = [0] * len(_LABELS)
            self._seconds[route] = 0.0
        buckets[bisect_left(_BOUNDS, seconds)] += 1
        self._seconds[route] += seconds

    def collect(self) -> Iterator[CounterMetricFamily | HistogramMetricFamily]:
        """Give the figures as they stand."""
        requests = CounterMetricFamily(
            "moorage_requests", "Requests answered", labels=["method", "route", "status"]
        )
        for (method, route, status), count in list(self._answers.items()):
            requests.add_metric([method, route, str(status)], count)
        yield requests
        seconds = HistogramMetricFamily(
            "moorage_request_seconds",
            "Time to answer, the body of the request included",
            labels=["route"],
        )
        for route, buckets in list(self._buckets.items()):
            reached = zip(_LABELS, map(float, accumulate(buckets)), strict=True)
            seconds.add_metric([route], list(reached), self._seconds[route])
        yield seconds
