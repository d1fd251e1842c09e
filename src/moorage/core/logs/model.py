"""What a log line is."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


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
