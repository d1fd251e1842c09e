"""What applying a config is decided from and by: memory, state, messages, effects. No decisions."""

from __future__ import annotations

from typing import Any, Dict, FrozenSet, NamedTuple, Optional, Tuple, Union

from moorage_agent.messages import Config, Note
from moorage_agent.records import dataclass, field
from moorage_agent.units import Unit

# How a unit can be seen. Restarting: its driver brings it back by itself. Stopped: nobody does.
# Finished and failed: it ended, and its policy says that this was all.
RUNNING = "running"
STARTING = "starting"
RESTARTING = "restarting"
STOPPED = "stopped"
FINISHED = "finished"
FAILED = "failed"

# What its own check says of it; NO_CHECK: it has none.
NO_CHECK = "none"
HEALTHY = "healthy"
UNHEALTHY = "unhealthy"

PREPARE = "prepare"
START = "start"
REMOVE = "remove"
RESTART = "restart"


class Target(NamedTuple):
    """A document to run."""

    revision: int
    digest: Optional[str]
    document: Dict[str, Any]


class Trying(NamedTuple):
    """A document that is on its way in or, with a ``failure``, on its way out again.

    ``blocked`` are (service, why) that this device can never run as it is.
    """

    target: Target
    failure: Optional[str] = None
    blocked: Tuple[Tuple[str, str], ...] = ()


class Problem(NamedTuple):
    """A revision that is of no use here. ``agent_version``: to whom; None stands for this one."""

    revision: int
    digest: Optional[str]
    error: str
    blocked: Tuple[Tuple[str, str], ...] = ()
    agent_version: Optional[str] = None


class Memory(NamedTuple):
    """What the disk holds, all of it written at once: the last good one, and what is not it."""

    good: Optional[Target] = None
    trying: Optional[Trying] = None
    problem: Optional[Problem] = None

    def proposed(self) -> Optional[Target]:
        """Return the document that is on its way in, if one is."""
        trying = self.trying
        return trying.target if trying is not None and trying.failure is None else None

    def in_force(self) -> Optional[Target]:
        """Return the document that is to run right now."""
        return self.proposed() or self.good


class Seen(NamedTuple):
    """A unit as its driver sees it. ``run`` is another text each time that it is started."""

    driver: str
    digest: str
    state: str
    run: str = ""
    health: str = NO_CHECK
    restarts: int = 0
    error: Optional[str] = None


class Trouble(NamedTuple):
    """What came of the last tries with a unit; ``blocked`` is what this device lacks for it."""

    tries: int
    not_before: float
    error: Optional[str] = None
    blocked: Optional[str] = None


@dataclass(frozen=True)
class State:
    """All that decisions depend on. Seconds are those of the steady clock.

    ``units`` are those of the document in force, ``changed`` those of them that are to prove
    themselves. ``heard`` and ``deaf`` name drivers: that said what runs, that could not say it.
    ``settled``: when what was done to a unit last was over; what was asked before is no news of it.
    ``since``: which run of a unit has been seen from when on. ``streams``: digest by id of what was
    started, ``wanted_streams``: of what the document in force has. ``ready`` is whether all is
    there that it needs, ``give_up_at`` when it will have taken too long.
    """

    memory: Memory = field(default_factory=Memory)
    units: Dict[str, Unit] = field(default_factory=dict)
    changed: FrozenSet[str] = frozenset()
    seen: Dict[str, Seen] = field(default_factory=dict)
    heard: FrozenSet[str] = frozenset()
    deaf: FrozenSet[str] = frozenset()
    settled: Dict[str, float] = field(default_factory=dict)
    since: Dict[str, Tuple[str, float]] = field(default_factory=dict)
    busy: Dict[str, str] = field(default_factory=dict)
    prepared: FrozenSet[str] = frozenset()
    troubles: Dict[str, Trouble] = field(default_factory=dict)
    streams: Dict[str, str] = field(default_factory=dict)
    wanted_streams: Dict[str, str] = field(default_factory=dict)
    ready: bool = False
    give_up_at: Optional[float] = None


# --- effects


@dataclass(frozen=True)
class Remember:
    """Write the memory to the disk, durably; what follows may only be done after that."""

    memory: Memory


@dataclass(frozen=True)
class Prepare:
    """Make sure that a unit could be started: pull its image, look for its command."""

    unit: Unit


@dataclass(frozen=True)
class Start:
    """Start a unit, which may be there already, stopped."""

    unit: Unit
    revision: int


@dataclass(frozen=True)
class Remove:
    """Stop whatever a driver runs by this name, and take it away."""

    name: str
    driver: str


@dataclass(frozen=True)
class Restart:
    """Stop a unit and start it again as it is."""

    name: str
    driver: str
    command_id: Optional[str] = None


@dataclass(frozen=True)
class StartStream:
    """Have a stream run as this says."""

    stream_id: str
    spec: Dict[str, Any]


@dataclass(frozen=True)
class StopStream:
    """Have a stream run no more."""

    stream_id: str


@dataclass(frozen=True)
class Answer:
    """Say what came of a command."""

    command_id: str
    error: Optional[str] = None


ON_UNITS = (Prepare, Start, Remove, Restart)
OnUnit = Union[Prepare, Start, Remove, Restart]
EFFECTS = (Remember, *ON_UNITS, StartStream, StopStream, Answer)
Effect = Union[Remember, Prepare, Start, Remove, Restart, StartStream, StopStream, Answer, Note]


# --- messages


@dataclass(frozen=True)
class Offered:
    """The server wants this document; see ``Config`` for one of no use and for one that we have."""

    now: float
    config: Config


@dataclass(frozen=True)
class Observed:
    """What a driver sees, asked at a moment; None: it could not say."""

    now: float
    asked_at: float
    driver: str
    seen: Optional[Dict[str, Seen]]


@dataclass(frozen=True)
class Done:
    """An effect on a unit is over.

    ``again``: what was wrong may be over by itself. ``blocked``: what this device lacks for it.
    """

    now: float
    effect: OnUnit
    error: Optional[str] = None
    again: bool = False
    blocked: Optional[str] = None


@dataclass(frozen=True)
class Asked:
    """A command asks for a service to be started anew."""

    now: float
    name: str
    command_id: str


@dataclass(frozen=True)
class Passed:
    """Time passed."""

    now: float


MESSAGES = (Offered, Observed, Done, Asked, Passed)
Message = Union[Offered, Observed, Done, Asked, Passed]


def name_of(effect: OnUnit) -> str:
    """Return which unit an effect is on."""
    return effect.unit.name if isinstance(effect, (Prepare, Start)) else effect.name
