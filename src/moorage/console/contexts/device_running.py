"""What the tabs Streams and Services of a device show."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from moorage.console.contexts.device import DeviceFrame
from moorage.console.contexts.device_action import Spelled


@dataclass(frozen=True)
class Action:
    """A command that can be sent. ``question`` is asked first, if there is one."""

    kind: str
    title: str
    icon: str
    question: str | None
    spelled: Spelled


@dataclass(frozen=True)
class ConfigStand:
    """What is wanted and what is applied: revisions, and a word for how they compare."""

    state: str
    wanted: int
    applied: int | None


@dataclass(frozen=True)
class StreamShown:
    """One stream. ``origin`` says whether the config has it and whether the device runs it.

    ``picture`` is the address of its last picture, ``taken_at`` when that arrived.
    """

    id: str
    name: str
    status: str
    origin: str
    astray: bool
    figures: Sequence[tuple[str, str]]
    source: str | None
    pipeline: str | None
    started_at: datetime | None
    last_event_at: datetime | None
    error: str | None
    picture: str | None
    taken_at: datetime | None
    actions: Sequence[Action]


@dataclass(frozen=True)
class Streams:
    """The tab. ``config`` is None for who may not see it."""

    frame: DeviceFrame
    streams: Sequence[StreamShown]
    config: ConfigStand | None
    spelled: Spelled


@dataclass(frozen=True)
class ServiceShown:
    """One service; ``restart`` is None for who may not ask for it."""

    name: str
    state: str
    origin: str
    astray: bool
    image: str | None
    restarts: int | None
    figures: str
    error: str | None
    reported_at: datetime | None
    restart: Action | None
    logs: str


@dataclass(frozen=True)
class Services:
    """The tab."""

    frame: DeviceFrame
    services: Sequence[ServiceShown]
    config: ConfigStand | None
    spelled: Spelled
