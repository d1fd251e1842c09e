"""What happened to a device, in order: told by it or seen by us. Append only."""

from moorage.core.events.model import Event, EventRow, EventText
from moorage.core.events.service import (
    append,
    follow,
    list_events,
    purge,
    record,
    row_of,
    topic_of,
    walk_events,
)

__all__ = [
    "Event",
    "EventRow",
    "EventText",
    "append",
    "follow",
    "list_events",
    "purge",
    "record",
    "row_of",
    "topic_of",
    "walk_events",
]
