"""Log lines, kept for the next report: the agent's own, and those of what it runs.

Each source has its own limit, so that one that floods costs the others nothing.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections import deque
from typing import Any, Deque, Dict, List, Optional, Tuple

from moorage_agent import clock, keytext
from moorage_agent.severity import of_line

_MOST_A_MINUTE = 300
_LONGEST_LINE = 4000
_MOST_HELD_BACK = 500
_SEVERITIES = (
    (logging.CRITICAL, "critical"),
    (logging.ERROR, "error"),
    (logging.WARNING, "warning"),
    (logging.INFO, "info"),
)

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}
_LONGEST_SOURCE = 128
_MOST_SOURCES = 200
# Whose lines are counted together when there are more sources than that.
_OTHERS = "others"

log = logging.getLogger("moorage_agent")


# part of the report, moment, content
_Line = Tuple[str, clock.Instant, Dict[str, Any]]


class _Source:
    """How much one source has said in the present minute, and what was too much."""

    def __init__(self) -> None:
        self.minute = 0
        self.dropped = 0
        self._taken_in = 0

    def admits(self, minute: int) -> bool:
        if minute != self.minute:
            self.minute, self._taken_in = minute, 0
        self._taken_in += 1
        admitted = self._taken_in <= _MOST_A_MINUTE
        self.dropped += not admitted
        return admitted


class Collector(logging.Handler):
    """Holds lines until the loop takes them; beyond 300 a minute of a source they are counted only.

    Lines below the level of reports are held back: the last 500, for whoever asks.
    """

    def __init__(self) -> None:
        """Start empty."""
        super().__init__()
        self._lines: Deque[_Line] = deque()
        self._events: Deque[_Line] = deque()
        self._held_back: Deque[_Line] = deque(maxlen=_MOST_HELD_BACK)
        self._from = logging.INFO
        self._all_until: Optional[float] = None
        self._sources: Dict[str, _Source] = {}
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
        """Take in a line of the agent's."""
        self._take_in("agent", record.levelno, record.getMessage())

    def line(self, source: str, severity: Optional[str], text: str) -> None:
        """Take in a line of something that runs here; without a severity the line is asked for it.

        Called from any thread. Keys and tokens of ours are cut out.
        """
        named = severity if severity in _LEVELS else of_line(text)
        text = keytext.redacted(text.replace("\0", "\ufffd"))
        self._take_in(source[:_LONGEST_SOURCE], _LEVELS[named], text)

    def happened(self, event: str, service: str, text: str, more: Dict[str, Any]) -> None:
        """Take in an event of a service that runs here, from any thread; none is ever left out."""
        row = {
            "id": str(uuid.uuid4()),
            "event": event,
            "entity_type": "service",
            "entity_id": service,
            "description": keytext.redacted(text)[:_LONGEST_LINE],
            "metadata": more,
        }
        with self._guard:
            self._events.append(("events", clock.now(), row))

    def _take_in(self, source: str, level: int, text: str) -> None:
        content = {
            "service": source,
            "severity": _severity(level),
            "message": text[:_LONGEST_LINE],
        }
        now = clock.now()
        line = ("logs", now, content)
        with self._guard:
            detailed = self._all_until is not None and now.steady < self._all_until
            if level < self._from and not detailed:
                self._held_back.append(line)
            elif self._source(source).admits(int(now.steady // 60)):
                self._lines.append(line)

    def _source(self, name: str) -> _Source:
        if name not in self._sources and len(self._sources) >= _MOST_SOURCES:
            name = _OTHERS
        return self._sources.setdefault(name, _Source())

    def take(self, *, ending: bool = False) -> List[_Line]:
        """Return lines and events as rows for the store; once a flood is over, what it cost."""
        now = clock.now()
        minute = int(now.steady // 60)
        with self._guard:
            lines = [*self._lines, *self._events]
            self._lines, self._events = deque(), deque()
            dropped = {}
            for name, source in self._sources.items():
                if source.dropped and (ending or minute != source.minute):
                    dropped[name], source.dropped = source.dropped, 0
        for name, count in dropped.items():
            text = "%d lines dropped: too many at once" % count
            content = {"service": name, "severity": "warning", "message": text}
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
