"""What a virtual device is to its owner, and to the server that drives it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from moorage.core.devices import Device
from moorage.core.reports import Epoch


class Action(StrEnum):
    """What a virtual device can be made to do."""

    ONLINE = "online"
    OFFLINE = "offline"
    FAULT = "fault"
    RECOVER = "recover"
    EVENT = "event"


@dataclass(frozen=True)
class Virtual:
    """A virtual device as its owner sees it.

    ``slot`` is its number in the workspace, from 1; seed and slot decide on all that is drawn.
    """

    device: Device
    profile: str
    seed: int
    slot: int
    online: bool
    faulty: bool


@dataclass(frozen=True)
class Happening:
    """An event that a virtual device is to report."""

    event: str
    description: str
    error_code: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Driven:
    """A virtual device as the server needs it that drives it.

    ``epochs`` are what the ledger has of it, read when it is taken over and empty after that.
    ``happenings`` are handed out once.
    """

    device_id: str
    name: str
    profile: str
    seed: int
    slot: int
    online: bool
    faulty: bool
    key: str = field(repr=False)
    interval_s: int
    happenings: Sequence[Happening]
    taken_over: bool
    epochs: Sequence[Epoch]
