"""The agent's own log lines: to standard error, and kept for the next report."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import Any, Deque, Dict, List, Tuple

from moorage_agent import clock, keytext

_MOST_A_MINUTE = 300
_LONGEST_LINE = 4000
_SEVERITIES = (
    (logging.CRITICAL, "critical"),
    (logging.ERROR, "error"),
    (logging.WARNING, "warning"),
    (logging.INFO, "info"),
)

log = logging.getLogger("moorage_agent")


class Collector(logging.Handler):
    """Holds lines until the loop takes them; beyond 300 a minute they are counted only."""

    def __init__(self) -> None:
        """Start empty."""
        super().__init__()
        self._lines: Deque[Tuple[clock.Instant, Dict[str, Any]]] = deque()
        self._minute = 0
        self._taken_in = 0
        self._dropped = 0
        self._guard = threading.Lock()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line in."""
        line = {
            "service": "agent",
            "severity": _severity(record.levelno),
            "message": record.getMessage()[:_LONGEST_LINE],
        }
        now = clock.now()
        with self._guard:
            minute = int(now.steady // 60)
            if minute != self._minute:
                self._minute, self._taken_in = minute, 0
            self._taken_in += 1
            if self._taken_in > _MOST_A_MINUTE:
                self._dropped += 1
            else:
                self._lines.append((now, line))

    def take(self, *, ending: bool = False) -> List[Tuple[str, clock.Instant, Dict[str, Any]]]:
        """Return the lines as rows for the store; once a flood is over, how many it cost."""
        now = clock.now()
        with self._guard:
            lines, self._lines = list(self._lines), deque()
            dropped = 0
            if self._dropped and (ending or int(now.steady // 60) != self._minute):
                dropped, self._dropped = self._dropped, 0
        if dropped:
            text = "%d lines dropped: too many at once" % dropped
            lines.append((now, {"service": "agent", "severity": "warning", "message": text}))
        return [("logs", at, line) for at, line in lines]


class _Redaction(logging.Filter):
    """Cuts keys and tokens out, whoever brought them in."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = keytext.redacted(record.getMessage()), None
        return True


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
    log.filters = [_Redaction()]
    log.handlers = [to_stderr, collector]
    log.propagate = False
