"""One change to many devices: what was ordered, how far it came, what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from moorage.console.contexts.fleet import Asked


@dataclass(frozen=True)
class Selection:
    """Which devices: those named, or all that a state of the fleet page shows.

    ``matching`` is None for devices that are named one by one.
    """

    device_ids: tuple[str, ...] = ()
    matching: Asked | None = None
    attention: bool = False
    query: str = ""


@dataclass(frozen=True)
class Progress:
    """How far it came: ``after`` is where the next step goes on."""

    total: int
    done: int = 0
    failed: int = 0
    after: str = ""


@dataclass(frozen=True)
class Order:
    """What is to be done, with what, to which."""

    action: str
    selection: Selection
    progress: Progress
    tags: tuple[str, ...] = ()
    kind: str = ""
    document: Mapping[str, Any] = field(default_factory=dict)
    # As they were typed, to be sent along with the next step.
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """What came of it for one device."""

    device_id: str
    name: str
    ok: bool
    told: str


@dataclass(frozen=True)
class Form:
    """The dialog that asks what exactly is to be done."""

    action: str
    title: str
    selection: Selection
    total: int
    kinds: Sequence[str] = ()


@dataclass(frozen=True)
class Step:
    """What is shown after a step; ``rest`` are the named devices still to come."""

    order: Order
    title: str
    results: Sequence[Result]
    progress: Progress
    rest: Sequence[str]
    is_first: bool
    is_over: bool
    listed: bool
