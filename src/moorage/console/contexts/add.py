"""What the pages show that add a device."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from moorage.console.copying import CopyAs


@dataclass(frozen=True)
class Typed:
    """What was typed so far; ``how`` is the tab."""

    name: str
    type: str
    tags: str
    reference: str
    how: str


@dataclass(frozen=True)
class Add:
    """The page before anything was made.

    ``ways`` are tabs: key and title. ``may`` is whether the caller can add by the open one.
    """

    typed: Typed
    ways: Sequence[tuple[str, str]]
    may: bool
    profiles: Sequence[tuple[str, str]]
    lifetimes: Sequence[tuple[str, str]]
    policies: Sequence[tuple[str, str]]
    most_virtual: int
    as_code: CopyAs


@dataclass(frozen=True)
class Tried:
    """Something that a device, or somebody, tried with the device's tokens."""

    at: datetime
    address: str
    words: str
    refused: bool


@dataclass(frozen=True)
class Waiting:
    """What the server has seen of a device that is being set up.

    ``state`` is waiting, fetched, refused, enrolled or online. ``stamp`` changes when anything of
    this does.
    """

    device_id: str
    state: str
    title: str
    words: str
    hostname: str | None
    tried: Sequence[Tried]
    stamp: str


@dataclass(frozen=True)
class Command:
    """The line to paste; None once it is shown no more, perhaps because it is ``over``."""

    device_id: str
    line: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None
    left_s: int = 0
    over: bool = False


@dataclass(frozen=True)
class Bundle:
    """What a device without a network is given, shown once; texts are None before it is made.

    ``qr`` and ``file`` are data URLs.
    """

    device_id: str
    file_name: str
    qr: str | None = field(default=None, repr=False)
    file: str | None = field(default=None, repr=False)
    payload: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None


@dataclass(frozen=True)
class Setup:
    """The page of a device that was made and is not there yet. ``how`` is the tab."""

    device_id: str
    name: str
    how: str
    may: bool
    waiting: Waiting
    command: Command
    bundle: Bundle


@dataclass(frozen=True)
class TokenUses:
    """How many devices came with a token for many."""

    id: str
    name: str
    state: str
    use_count: int
    max_uses: int | None
    last_used_at: datetime | None
    stamp: str


@dataclass(frozen=True)
class TokenMade:
    """A token for many just made, shown once."""

    uses: TokenUses
    expires_at: datetime | None
    line: str = field(repr=False)
    text: str = field(repr=False)
