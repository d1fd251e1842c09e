"""Lines a device and its services log. Append only."""

from moorage.core.logs.model import LogLine, LogRow, Severity
from moorage.core.logs.service import append, follow, list_lines, purge

__all__ = ["LogLine", "LogRow", "Severity", "append", "follow", "list_lines", "purge"]
