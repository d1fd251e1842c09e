"""The agent's own log lines: to standard error, and kept for the next report."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import Any, Deque, Dict, List, Tuple

from moorage_agent import clock

_MOST_WAITING = 500
_LONGEST_LINE = 4000
_SEVERITIES = (
    (logging.CRITICAL, "critical"),
    (logging.ERROR, "error"),
    (logging.WARNING, "warning"),
    (logging.INFO, "info"),
)

log = logging.getLogger("moorage_agent")


class Collector(logging.Handler):
    """Holds lines until the loop takes them; beyond 500 between two takes they are counted only."""

    def __init__(self) -> None:
        """Start empty."""
        super().__init__()
        self._lines: Deque[Tuple[clock.Instant, Dict[str, Any]]] = deque()
        self._dropped = 0
        self._guard = threading.Lock()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line in."""
        line = {
            "service": "agent",
            "severity": _severity(record.levelno),
            "message": record.getMessage()[:_LONGEST_LINE],
        }
        with self._guard:
            if len(self._lines) >= _MOST_WAITING:
                self._dropped += 1
            else:
                self._lines.append((clock.now(), line))

    def take(self) -> List[Tuple[str, clock.Instant, Dict[str, Any]]]:
        """Return the lines as rows for the store."""
        with self._guard:
            lines, self._lines = list(self._lines), deque()
            dropped, self._dropped = self._dropped, 0
        if dropped:
            text = "%d lines dropped: too many at once" % dropped
            lines.append(
                (clock.now(), {"service": "agent", "severity": "warning", "message": text})
            )
        return [("logs", at, line) for at, line in lines]


def _severity(level: int) -> str:
    for least, name in _SEVERITIES:
        if level >= least:
            return name
    return "debug"


def configure(collector: Collector) -> None:
    """Send lines both ways."""
    to_stderr = logging.StreamHandler()
    to_stderr.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.setLevel(logging.INFO)
    log.handlers = [to_stderr, collector]
    log.propagate = False
