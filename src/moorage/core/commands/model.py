"""What a command is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias


class CommandState(StrEnum):
    """``queued → delivered → succeeded | failed | expired | cancelled``."""

    QUEUED = "queued"
    DELIVERED = "delivered"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Command:
    """One thing asked of a device. ``result`` and ``error`` are what the device answered."""

    id: str
    device_id: str
    kind: str
    arguments: Mapping[str, Any]
    state: CommandState
    created_at: datetime
    created_by: str
    expires_at: datetime
    delivered_at: datetime | None
    finished_at: datetime | None
    result: Mapping[str, Any] | None
    error: str | None


# What a device reports of a command: workspace_id, device_id, live, id, state, result, error.
ResultRow: TypeAlias = Mapping[str, Any]
