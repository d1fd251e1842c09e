"""Lines a device and its services log. Append only."""

from moorage.core.logs.model import LogLine, LogRow, Placed, Severity, Stretch, Wanted
from moorage.core.logs.service import (
    append,
    around,
    follow,
    list_lines,
    purge,
    services_of,
    walk,
)

__all__ = [
    "LogLine",
    "LogRow",
    "Placed",
    "Severity",
    "Stretch",
    "Wanted",
    "append",
    "around",
    "follow",
    "list_lines",
    "purge",
    "services_of",
    "walk",
]
