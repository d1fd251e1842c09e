"""Whether there is room for what only adds up: telemetry and log lines.

The rest goes on when there is none: heartbeats, events, config, results of commands.
"""

import random

from moorage.core.errors import DomainError, Kind
from moorage.ingest.model import Report

# Two minutes at most, so that a device does not sit on its rows for long once there is room again.
_AGAIN_S = (60, 120)


class Room:
    """Set by who measures, asked by who writes."""

    def __init__(self) -> None:
        """Begin with room."""
        self.full = False
        self.refused = 0

    def refusal(self, report: Report) -> DomainError | None:
        """Return the refusal of a report that would add up while there is no room, else None."""
        if not self.full:
            return None
        parts = [name for name in ("logs", "telemetry") if getattr(report, name)]
        if not parts:
            return None
        return DomainError(
            Kind.STORAGE_FULL,
            "storage_nearly_full",
            "the server has no room for telemetry and logs right now; keep them, send the report's "
            "other parts without them, and try with them again later",
            extra={"refused": parts},
            retry_after_s=random.randint(*_AGAIN_S),  # noqa: S311 - spread, no secret
        )
