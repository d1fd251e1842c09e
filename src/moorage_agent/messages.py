"""What ``step`` hears and what it has done: messages and effects. No decisions."""

from __future__ import annotations

from typing import Any, Dict, NamedTuple, Optional, Tuple, Union

from moorage_agent.records import dataclass

LIVE = "live"
BACKFILL = "backfill"
# What the device asks: for commands, for its config. One question at a time.
CONTROL = "control"
LANES = (LIVE, BACKFILL, CONTROL)

_LARGEST_REVISION = 2**53


class Command(NamedTuple):
    """What the server asks of this device; ``expires_at`` is the server's time, since 1970."""

    id: str
    kind: str
    arguments: Dict[str, Any]
    expires_at: Optional[float]


class Config(NamedTuple):
    """A config document that was fetched.

    With a ``problem`` it is of no use; with neither that nor ``document`` it is the one we have.
    """

    revision: int
    digest: Optional[str]
    document: Optional[Dict[str, Any]]
    problem: Optional[str]


def revision_of(value: object) -> Optional[int]:
    """Return the value when it can be the revision of a config."""
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= _LARGEST_REVISION else None


# --- messages


@dataclass(frozen=True)
class Tick:
    """Time passed.

    ``waiting`` says per lane whether a report is made and not acknowledged; ``urgent`` that
    something happened which should not wait for the interval; ``backlog`` that there are rows too
    old for the live lane; ``settled_revision`` which config needs no fetching; ``enrolled`` that
    there is a key to report with.
    """

    now: float
    waiting: Dict[str, bool]
    urgent: bool = False
    backlog: bool = False
    settled_revision: Optional[int] = None
    enrolled: bool = True


@dataclass(frozen=True)
class Acknowledged:
    """The server has it, durably; and what else it said: its time, its config, what it asks."""

    lane: str
    now: float
    interval_s: Optional[float]
    server_at: Optional[float] = None
    revision: Optional[int] = None
    commands: Tuple[Command, ...] = ()


@dataclass(frozen=True)
class Told:
    """What waiting at the server brought; ``fresh``: something that we did not know."""

    now: float
    revision: int
    commands: Tuple[Command, ...]
    fresh: bool


@dataclass(frozen=True)
class Fetched:
    """A config document came; ``interval_s`` is what it asks for, when it can be used."""

    now: float
    config: Config
    interval_s: Optional[float]


@dataclass(frozen=True)
class Failed:
    """No answer, or none that counts.

    ``luck`` in [0, 1) spreads the pause; ``retry_after_s`` is the server's wish.
    """

    lane: str
    now: float
    reason: str
    luck: float
    retry_after_s: Optional[float] = None


@dataclass(frozen=True)
class Enrolled:
    """The server took the token this device was set up with; ``told`` is its answer."""

    now: float
    told: Dict[str, Any]
    interval_s: Optional[float]


@dataclass(frozen=True)
class KeyRefused:
    """401 or 403: the server does not know this key, or not any more, or not yet again.

    ``reason`` says it of a token.
    """

    lane: str
    now: float
    luck: float
    reason: Optional[str] = None


@dataclass(frozen=True)
class Forked:
    """409: the server's chain is not ours; it has ``sequence`` and ``chain`` of our epoch."""

    lane: str
    now: float
    sequence: int
    chain: str


@dataclass(frozen=True)
class Unacceptable:
    """413 or 422: this body will never be taken."""

    lane: str
    now: float
    status: int
    detail: str


@dataclass(frozen=True)
class NoRoom:
    """The server has no room for these parts of a report; for the rest of it it has.

    ``again_after_s``: when to try with them again.
    """

    lane: str
    now: float
    parts: Tuple[str, ...]
    again_after_s: float


@dataclass(frozen=True)
class Retired:
    """410: the device was deleted. The one thing that ends an agent."""

    lane: str


@dataclass(frozen=True)
class Superseded:
    """An answer to a report that is not there any more: the store began anew meanwhile."""

    lane: str


Message = Union[
    Tick,
    Acknowledged,
    Told,
    Fetched,
    Enrolled,
    Failed,
    KeyRefused,
    Forked,
    Unacceptable,
    NoRoom,
    Retired,
    Superseded,
]

# --- effects


@dataclass(frozen=True)
class Measure:
    """Take a sample and keep it."""


@dataclass(frozen=True)
class Compose:
    """Make the next report of a lane from what is kept, durably, then send it.

    ``bare``: without telemetry and logs, for which the server has no room.
    """

    lane: str
    bare: bool = False


@dataclass(frozen=True)
class Send:
    """Send the lane's first report that is not acknowledged, byte for byte as it was made."""

    lane: str


@dataclass(frozen=True)
class Settle:
    """Mark the report under way as acknowledged."""

    lane: str


@dataclass(frozen=True)
class ResolveFork:
    """Resend from where the server is, or begin anew."""

    lane: str
    sequence: int
    chain: str


@dataclass(frozen=True)
class SetAside:
    """Keep the body for people to look at, and put its sequence emptied in its place."""

    lane: str
    status: int
    detail: str


@dataclass(frozen=True)
class PutBack:
    """Keep these parts of the report under way for later, and put the rest of it in its place."""

    lane: str
    parts: Tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """Do what is asked, unless it is known already.

    ``expired``: answer that instead of doing it. ``again``: the server says so knowing all we told
    it, so a result it was told already it has lost.
    """

    command: Command
    expired: bool
    again: bool
    lane: str = CONTROL


@dataclass(frozen=True)
class Wait:
    """Ask for commands, or another config than this; the server answers when there is one."""

    revision: int


@dataclass(frozen=True)
class Fetch:
    """Ask for the config document."""


@dataclass(frozen=True)
class Enrol:
    """Redeem the token this device was set up with."""


@dataclass(frozen=True)
class Join:
    """Remember what enrolling gave; from now on there is a key."""

    told: Dict[str, Any]
    lane: str = CONTROL


@dataclass(frozen=True)
class Note:
    """Log a line."""

    severity: str
    text: str


@dataclass(frozen=True)
class Stop:
    """End for good."""


Effect = Union[
    Measure,
    Compose,
    Send,
    Settle,
    ResolveFork,
    SetAside,
    PutBack,
    Run,
    Wait,
    Fetch,
    Enrol,
    Join,
    Note,
    Stop,
]
