"""What to do next: pure decisions. Nothing here reads a clock, a file or a socket.

``step(state, message)`` returns the next state and effects; ``loop`` carries them out and brings
what came of them back as messages. Seconds are those of the steady clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple, Union

LIVE = "live"
BACKFILL = "backfill"
# What the device asks: for commands, for its config. One question at a time.
CONTROL = "control"
LANES = (LIVE, BACKFILL, CONTROL)

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
FIRST_REFUSED_PAUSE_S = 60.0
LONGEST_REFUSED_PAUSE_S = 3600.0
SHORTEST_INTERVAL_S = 1
LONGEST_INTERVAL_S = 86400
# A question is not asked again within this time, and one that brought nothing although it was
# answered as quickly as that waits longer each time.
ASK_AGAIN_S = 1.0
QUICK_S = 5.0
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


@dataclass(frozen=True)
class Lane:
    """One ordered stream of reports; at most one of them is under way.

    ``failures`` and ``refusals`` count in a row; ``not_before`` is when the next try may begin.
    """

    in_flight: bool = False
    failures: int = 0
    refusals: int = 0
    not_before: float = 0.0


@dataclass(frozen=True)
class State:
    """All that decisions depend on.

    ``server_ahead_s`` is the server's time less the steady clock, once the server told its time;
    ``told_revision`` which config it wants to see here, once it said so. ``asks`` is whether to
    wait at the server for commands; ``asked_at`` when something was asked last.
    """

    interval_s: float
    next_report_at: float = 0.0
    lanes: Dict[str, Lane] = field(default_factory=lambda: {name: Lane() for name in LANES})
    retired: bool = False
    server_ahead_s: Optional[float] = None
    told_revision: Optional[int] = None
    asks: bool = True
    asked_at: float = 0.0


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
    Retired,
    Superseded,
]

# --- effects


@dataclass(frozen=True)
class Measure:
    """Take a sample and keep it."""


@dataclass(frozen=True)
class Compose:
    """Make the next report of a lane from what is kept, durably, then send it."""

    lane: str


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
class Keep:
    """Keep a config document and do as it says, or remember that it is of no use."""

    config: Config
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
    Run,
    Wait,
    Fetch,
    Keep,
    Enrol,
    Join,
    Note,
    Stop,
]


def step(state: State, message: Message) -> Tuple[State, List[Effect]]:
    """Decide. A retired agent does nothing more."""
    if state.retired:
        return state, []
    return _DECISIONS.get(type(message), _on_trouble)(state, message)


def _on_retired(state: State, _message: Retired) -> Tuple[State, List[Effect]]:
    note = Note("warning", "this device was deleted on the server; the agent stops for good")
    return replace(state, retired=True), [note, Stop()]


def _on_trouble(
    state: State, message: Union[Superseded, Failed, KeyRefused, Forked, Unacceptable]
) -> Tuple[State, List[Effect]]:
    lane = replace(state.lanes[message.lane], in_flight=False)
    effects: List[Effect] = []
    if isinstance(message, Superseded):
        pass  # what it held is in the new epoch, and the next tick sends it
    elif isinstance(message, Failed):
        lane, effects = _after_failure(lane, message, alone=state.told_revision is None)
    elif isinstance(message, KeyRefused):
        lane, effects = _after_refusal(lane, message)
    elif isinstance(message, Forked):
        # Resolved in the store; further forks in a row wait, so that two copies do not race and a
        # server that forgets is not asked for ever.
        pause = 0.0 if lane.failures == 0 else _longest_pause(lane)
        lane = _paused(lane, message.now, pause)
        effects = [ResolveFork(message.lane, message.sequence, message.chain)]
    else:
        lane = _paused(lane, message.now, 0.0 if lane.failures == 0 else LONGEST_PAUSE_S)
        effects = [SetAside(message.lane, message.status, message.detail)]
    return _with(state, message.lane, lane), effects


def _on_tick(state: State, tick: Tick) -> Tuple[State, List[Effect]]:
    effects: List[Effect] = []
    due = tick.now >= state.next_report_at
    if due:
        # Samples are taken on time whether or not the network is there.
        effects.append(Measure())
        state = replace(state, next_report_at=_next_due(state, tick.now))
    for name in (LIVE, BACKFILL) if tick.enrolled else ():
        lane = state.lanes[name]
        if lane.in_flight or tick.now < lane.not_before:
            continue
        if tick.waiting.get(name):
            effects.append(Send(name))
        elif (name == LIVE and (due or tick.urgent)) or (name == BACKFILL and tick.backlog):
            effects.append(Compose(name))
        else:
            continue
        state = _with(state, name, replace(lane, in_flight=True))
    question = _question(state, tick)
    if question is not None:
        effects.append(question)
        lane = replace(state.lanes[CONTROL], in_flight=True)
        state = replace(_with(state, CONTROL, lane), asked_at=tick.now)
    return state, effects


def _question(state: State, tick: Tick) -> Optional[Effect]:
    """Return what to ask the server now: for a key; once a report has reached it for more."""
    lane, revision = state.lanes[CONTROL], state.told_revision
    if lane.in_flight or tick.now < lane.not_before:
        return None
    if not tick.enrolled:
        return Enrol()
    if revision is None:
        return None
    if revision != tick.settled_revision:
        return Fetch()
    # What is not delivered goes first: a server that lacks the result of a command would answer
    # with that command again, and at once.
    undelivered = tick.urgent or tick.waiting.get(LIVE) or state.lanes[LIVE].in_flight
    return Wait(revision) if state.asks and not undelivered else None


def _next_due(state: State, now: float) -> float:
    due = state.next_report_at + state.interval_s
    # After a long sleep one report is enough; the beat goes on from here.
    return due if due > now else now + state.interval_s


def _on_acknowledged(state: State, message: Acknowledged) -> Tuple[State, List[Effect]]:
    lane = state.lanes[message.lane]
    effects: List[Effect] = [Settle(message.lane)]
    if lane.failures or lane.refusals:
        effects.append(Note("info", "the server answers again"))
    if lane.failures and message.lane == LIVE:
        # What was delivered is old by now: let the present follow at once.
        state = replace(state, next_report_at=message.now)
    state = _with(state, message.lane, Lane())
    state = _at_interval(state, message.interval_s, message.now)
    if message.revision is not None:
        state = replace(state, told_revision=message.revision)
    if message.server_at is not None:
        state = replace(state, server_ahead_s=message.server_at - message.now)
    return state, effects + _asked(state, message.commands, message.now, again=True)


def _at_interval(state: State, interval_s: Optional[float], now: float) -> State:
    if interval_s is None:
        return state
    interval = min(max(interval_s, SHORTEST_INTERVAL_S), LONGEST_INTERVAL_S)
    if interval == state.interval_s:
        return state
    due = min(state.next_report_at, now + interval)
    return replace(state, interval_s=interval, next_report_at=due)


def _on_told(state: State, message: Told) -> Tuple[State, List[Effect]]:
    lane = Lane(not_before=state.asked_at + ASK_AGAIN_S)
    if not message.fresh and message.now - state.asked_at < QUICK_S:
        before = replace(state.lanes[CONTROL], in_flight=False)
        lane = _paused(before, message.now, _longest_pause(before))
    state = replace(_with(state, CONTROL, lane), told_revision=message.revision)
    return state, _asked(state, message.commands, message.now, again=False)


def _on_fetched(state: State, message: Fetched) -> Tuple[State, List[Effect]]:
    config = message.config
    state = _with(state, CONTROL, Lane(not_before=state.asked_at + ASK_AGAIN_S))
    state = replace(state, told_revision=config.revision)
    state = _at_interval(state, message.interval_s, message.now)
    effects: List[Effect] = [Keep(config)]
    if config.problem is not None:
        text = "config revision %d cannot be used: %s" % (config.revision, config.problem)
        effects.append(Note("error", text + "; the last good one stays in force"))
    else:
        effects.append(Note("info", "config revision %d is applied" % config.revision))
    return state, effects


def _on_enrolled(state: State, message: Enrolled) -> Tuple[State, List[Effect]]:
    state = _with(state, CONTROL, Lane(not_before=state.asked_at + ASK_AGAIN_S))
    state = _at_interval(state, message.interval_s, message.now)
    return state, [Join(message.told), Note("info", "enrolled with the server")]


def _asked(state: State, commands: Tuple[Command, ...], now: float, *, again: bool) -> List[Effect]:
    """Heed commands. Whether one expired the server's clock says; this device's may be off."""
    server_now = None if state.server_ahead_s is None else now + state.server_ahead_s
    effects: List[Effect] = []
    for command in commands:
        ends_at = command.expires_at
        expired = ends_at is not None and server_now is not None and server_now >= ends_at
        effects.append(Run(command, expired=expired, again=again))
    return effects


def _after_failure(lane: Lane, message: Failed, *, alone: bool) -> Tuple[Lane, List[Effect]]:
    # Full jitter: a fleet that was cut off comes back spread.
    pause = _longest_pause(lane) * message.luck
    if message.retry_after_s is not None:
        pause += min(max(message.retry_after_s, 0.0), LONGEST_REFUSED_PAUSE_S)
    effects: List[Effect] = []
    if lane.failures == 0 and message.lane == CONTROL:
        # Once there are reports nothing is late by that: their answers bring commands as well.
        text = "cannot ask the server: " + message.reason
        effects.append(Note("warning" if alone else "info", text))
    elif lane.failures == 0:
        effects.append(Note("warning", "cannot deliver: " + message.reason))
    lane = replace(lane, failures=lane.failures + 1, not_before=message.now + pause)
    return lane, effects


def _after_refusal(lane: Lane, message: KeyRefused) -> Tuple[Lane, List[Effect]]:
    longest = min(FIRST_REFUSED_PAUSE_S * 2 ** min(lane.refusals, 10), LONGEST_REFUSED_PAUSE_S)
    pause = longest * (0.5 + message.luck / 2)
    effects: List[Effect] = []
    if lane.refusals == 0 and message.reason is not None:
        effects.append(Note("error", message.reason))
    elif lane.refusals == 0 and message.lane != CONTROL:
        effects.append(
            Note(
                "error",
                "the server refuses this device's key; the agent goes on collecting and tries "
                "again, hourly at most. If it stays so, ask the owner for an install token and "
                "enrol anew",
            )
        )
    lane = replace(lane, refusals=lane.refusals + 1, not_before=message.now + pause)
    return lane, effects


def _longest_pause(lane: Lane) -> float:
    return float(min(FIRST_PAUSE_S * 2 ** min(lane.failures, 10), LONGEST_PAUSE_S))


def _paused(lane: Lane, now: float, pause: float) -> Lane:
    return replace(lane, failures=lane.failures + 1, not_before=now + pause)


def _with(state: State, name: str, lane: Lane) -> State:
    return replace(state, lanes={**state.lanes, name: lane})


_DECISIONS: Dict[type, Callable[[State, Any], Tuple[State, List[Effect]]]] = {
    Tick: _on_tick,
    Acknowledged: _on_acknowledged,
    Told: _on_told,
    Fetched: _on_fetched,
    Enrolled: _on_enrolled,
    Retired: _on_retired,
}
