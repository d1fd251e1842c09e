"""What the tab Events of a device shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from moorage.console.contexts.device import DeviceFrame
from moorage.console.contexts.device_action import Spelled


@dataclass(frozen=True)
class Family:
    """A kind of event to narrow the timeline to; ``key`` is what their names begin with."""

    key: str
    title: str
    on: bool


@dataclass(frozen=True)
class EventShown:
    """One event. ``kind`` is danger, good or plain; ``link`` leads to what it is about."""

    id: str
    event: str
    icon: str
    kind: str
    at: datetime
    ended_at: datetime | None
    text: str
    error_code: str | None
    about: str | None
    details: Mapping[str, Any]
    link: str | None
    late: str | None


@dataclass(frozen=True)
class Timeline:
    """The tab. ``before`` and ``after`` are addresses of the pages there, None where none are.

    ``here`` is this page's own address; ``again`` is where the first page, on which new events
    appear, asks for itself anew.
    """

    frame: DeviceFrame
    events: Sequence[EventShown]
    families: Sequence[Family]
    name: str
    here: str
    before: str | None
    after: str | None
    again: str | None
    filtered: bool
    spelled: Spelled
