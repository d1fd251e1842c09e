"""What a log line is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias


class Severity(StrEnum):
    """How bad it is."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


# A row as the store takes it; its keys are the columns of the table.
LogRow: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class LogLine:
    """One line. ``service`` is what wrote it (``agent`` is the agent itself)."""

    at: datetime
    received_at: datetime
    service: str
    severity: str
    message: str
