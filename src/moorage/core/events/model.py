"""What an event is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

# A row as the store takes it; its keys are the columns of the table.
EventRow: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class EventText:
    """What we say of an event we saw ourselves. ``event`` reads ``device.enrolled``."""

    event: str
    description: str
    error_code: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Event:
    """One event. ``at`` is the device's (corrected) time, or ours for what we saw ourselves."""

    id: str
    event: str
    at: datetime
    received_at: datetime
    entity_type: str
    entity_id: str
    description: str | None
    error_code: str | None
    metadata: Mapping[str, Any]
    ended_at: datetime | None
