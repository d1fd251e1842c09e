"""What a log line is."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from moorage.core.timeline import Window
from moorage.kit.clock import to_ms
from moorage.kit.pages import encode_cursor


class Severity(StrEnum):
    """How bad it is."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class LogRow(NamedTuple):
    """A row as the store takes it: the columns in their order, times in epoch milliseconds."""

    device_id: str
    at: int
    id: int
    device_at: int | None
    received_at: int
    service: str
    severity: str
    message: str


@dataclass(frozen=True)
class LogLine:
    """One line. ``service`` is what wrote it (``agent`` is the agent itself)."""

    at: datetime
    received_at: datetime
    service: str
    severity: str
    message: str


@dataclass(frozen=True)
class Wanted:
    """Which lines to read; what is empty lets everything through.

    ``text`` is looked for in messages, whatever the case of ASCII letters.
    """

    window: Window = field(default_factory=Window)
    services: Sequence[str] = ()
    severities: Sequence[str] = ()
    text: str = ""


@dataclass(frozen=True)
class Placed:
    """A line and its row's id: its place among the device's lines."""

    id: int
    line: LogLine

    @property
    def cursor(self) -> str:
        """The cursor of this line."""
        return encode_cursor(to_ms(self.line.at), self.id)


@dataclass(frozen=True)
class Stretch:
    """Some lines in a row, newest first.

    ``older`` and ``newer`` are cursors to go on with, None where there is nothing at present.
    """

    lines: Sequence[Placed]
    older: str | None
    newer: str | None
