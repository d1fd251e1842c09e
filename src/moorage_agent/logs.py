"""The agent's own log lines: to standard error, and kept for the next report."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import Any, Deque, Dict, List, Optional, Tuple

from moorage_agent import clock, keytext

_MOST_A_MINUTE = 300
_LONGEST_LINE = 4000
_MOST_HELD_BACK = 500
_SEVERITIES = (
    (logging.CRITICAL, "critical"),
    (logging.ERROR, "error"),
    (logging.WARNING, "warning"),
    (logging.INFO, "info"),
)

log = logging.getLogger("moorage_agent")


# part of the report, moment, content
_Line = Tuple[str, clock.Instant, Dict[str, Any]]


class Collector(logging.Handler):
    """Holds lines until the loop takes them; beyond 300 a minute they are counted only.

    Lines below the level of reports are held back: the last 500, for whoever asks.
    """

    def __init__(self) -> None:
        """Start empty."""
        super().__init__()
        self._lines: Deque[_Line] = deque()
        self._held_back: Deque[_Line] = deque(maxlen=_MOST_HELD_BACK)
        self._from = logging.INFO
        self._all_until: Optional[float] = None
        self._minute = 0
        self._taken_in = 0
        self._dropped = 0
        self._guard = threading.Lock()

    def report_from(self, level: int) -> None:
        """Report lines from this level on."""
        with self._guard:
            self._from = level

    def held_back(self) -> List[_Line]:
        """Return lines that were kept out of reports, as rows for the store."""
        with self._guard:
            return list(self._held_back)

    def let_go(self, lines: List[_Line], all_until: float) -> None:
        """Forget these lines, which are in the store, and report all until then (steady)."""
        with self._guard:
            for line in lines:
                if self._held_back and self._held_back[0] is line:
                    self._held_back.popleft()
            self._all_until = all_until

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line in."""
        content = {
            "service": "agent",
            "severity": _severity(record.levelno),
            "message": record.getMessage()[:_LONGEST_LINE],
        }
        now = clock.now()
        line = ("logs", now, content)
        with self._guard:
            detailed = self._all_until is not None and now.steady < self._all_until
            if record.levelno < self._from and not detailed:
                self._held_back.append(line)
                return
            minute = int(now.steady // 60)
            if minute != self._minute:
                self._minute, self._taken_in = minute, 0
            self._taken_in += 1
            if self._taken_in > _MOST_A_MINUTE:
                self._dropped += 1
            else:
                self._lines.append(line)

    def take(self, *, ending: bool = False) -> List[_Line]:
        """Return the lines as rows for the store; once a flood is over, how many it cost."""
        now = clock.now()
        with self._guard:
            lines, self._lines = list(self._lines), deque()
            dropped = 0
            if self._dropped and (ending or int(now.steady // 60) != self._minute):
                dropped, self._dropped = self._dropped, 0
        if dropped:
            text = "%d lines dropped: too many at once" % dropped
            content = {"service": "agent", "severity": "warning", "message": text}
            lines.append(("logs", now, content))
        return lines


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
    """Send lines both ways; the collector sees all of them, standard error those of the level."""
    to_stderr = logging.StreamHandler()
    to_stderr.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.setLevel(logging.DEBUG)
    log.filters = [_Redaction()]
    log.handlers = [to_stderr, collector]
    log.propagate = False
    set_level(collector, "info")


def set_level(collector: Collector, name: str) -> None:
    """Report and print lines from a level on: debug, info, warning or error."""
    level = logging.getLevelName(name.upper())
    collector.report_from(level)
    for handler in log.handlers:
        if handler is not collector:
            handler.setLevel(level)
