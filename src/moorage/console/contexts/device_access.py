"""What the tabs Keys and Access of a device show."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from moorage.console.contexts.add import Bundle, Command, Tried
from moorage.console.contexts.device import DeviceFrame
from moorage.console.contexts.device_action import Spelled


@dataclass(frozen=True)
class KeyShown:
    """One of the device's keys. ``state`` is works, locked or revoked, ``since`` then."""

    id: str
    prefix: str
    created_at: datetime
    created_by: str
    state: str
    since: datetime | None


@dataclass(frozen=True)
class Keys:
    """The tab. ``text`` is a key just made, shown this once."""

    frame: DeviceFrame
    keys: Sequence[KeyShown]
    rotate: Spelled
    lock: Spelled
    unlock: Spelled
    text: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class EnvironmentShown:
    """The device's environment in Portainer. ``words`` say what its state means."""

    state: str
    words: str
    endpoint_id: int | None
    error: str | None
    handed_over_at: datetime | None
    tries: int


@dataclass(frozen=True)
class Access:
    """The tab. ``managed``: a manager of environments is set up."""

    frame: DeviceFrame
    command: Command
    bundle: Bundle
    tried: Sequence[Tried]
    environment: EnvironmentShown | None
    managed: bool
    released_at: datetime | None
    release: Spelled
    attempts: Spelled
