"""What to do next: pure decisions. Nothing here reads a clock, a file or a socket.

``step(state, message)`` returns the next state and effects; ``loop`` carries them out and brings
what came of them back as messages. Seconds are those of the steady clock.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Tuple, Union

from moorage_agent import applying, applying_state
from moorage_agent.messages import (
    BACKFILL,
    CONTROL,
    LANES,
    LIVE,
    Acknowledged,
    Command,
    Compose,
    Effect,
    Enrol,
    Enrolled,
    Failed,
    Fetch,
    Fetched,
    Forked,
    Join,
    KeyRefused,
    Measure,
    Message,
    NoRoom,
    Note,
    PutBack,
    ResolveFork,
    Retired,
    Run,
    Send,
    SetAside,
    Settle,
    Stop,
    Superseded,
    Tick,
    Told,
    Unacceptable,
    Wait,
)
from moorage_agent.records import dataclass, field, replace

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
    wait at the server for commands; ``asked_at`` when something was asked last. ``behind``: a
    report was due while an earlier one was on its way, and follows as soon as that is settled.
    ``no_room_until``: when to try again with telemetry and logs, 0 while the server takes them.
    ``config`` is what ``applying`` goes by.
    """

    interval_s: float
    next_report_at: float = 0.0
    lanes: Dict[str, Lane] = field(default_factory=lambda: {name: Lane() for name in LANES})
    retired: bool = False
    server_ahead_s: Optional[float] = None
    told_revision: Optional[int] = None
    asks: bool = True
    asked_at: float = 0.0
    behind: bool = False
    no_room_until: float = 0.0
    config: applying_state.State = field(default_factory=applying_state.State)


AnyMessage = Union[Message, applying_state.Message]
AnyEffect = Union[Effect, applying_state.Effect]
Decision = Tuple[State, List[AnyEffect]]


def step(state: State, message: AnyMessage) -> Decision:
    """Decide. A retired agent does nothing more."""
    if state.retired:
        return state, []
    if isinstance(message, applying_state.MESSAGES):
        return _on_config(state, message)
    return _DECISIONS.get(type(message), _on_trouble)(state, message)


def failure_of(state: State, message: AnyMessage) -> Optional[str]:
    """Return what a message says went wrong, for people; None when nothing did."""
    if isinstance(message, Failed):
        return message.reason
    if isinstance(message, KeyRefused):
        return message.reason or "the server refuses this device's key"
    if isinstance(message, Forked) and state.lanes[message.lane].failures:
        return "the server has another history of this store again and again"
    return None


def _on_retired(state: State, _message: Retired) -> Decision:
    note = Note("warning", "this device was deleted on the server; the agent stops for good")
    return replace(state, retired=True), [note, Stop()]


def _on_trouble(
    state: State, message: Union[Superseded, Failed, KeyRefused, Forked, Unacceptable]
) -> Decision:
    lane = replace(state.lanes[message.lane], in_flight=False)
    effects: List[AnyEffect] = []
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


def _on_no_room(state: State, message: NoRoom) -> Decision:
    """Keep what the server has no room for; the rest of the report goes at once."""
    lane = replace(state.lanes[message.lane], in_flight=False)
    lane = _paused(lane, message.now, 0.0 if lane.failures == 0 else LONGEST_PAUSE_S)
    effects: List[AnyEffect] = [PutBack(message.lane, message.parts)]
    if not state.no_room_until:
        parts = " and ".join(message.parts)
        effects.append(Note("warning", "the server has no room for %s; kept here" % parts))
    state = replace(state, no_room_until=message.now + message.again_after_s)
    return _with(state, message.lane, lane), effects


def _on_tick(state: State, tick: Tick) -> Decision:
    effects: List[AnyEffect] = []
    due = tick.now >= state.next_report_at
    if due:
        # Samples are taken on time whether or not the network is there.
        effects.append(Measure())
        state = replace(state, next_report_at=_next_due(state, tick.now), behind=True)
    for name in (LIVE, BACKFILL) if tick.enrolled else ():
        lane = state.lanes[name]
        if lane.in_flight or tick.now < lane.not_before:
            continue
        if tick.waiting.get(name):
            effects.append(Send(name))
        elif name == LIVE and (state.behind or tick.urgent):
            effects.append(Compose(name, bare=tick.now < state.no_room_until))
            state = replace(state, behind=False)
        elif name == BACKFILL and tick.backlog and tick.now >= state.no_room_until:
            effects.append(Compose(name))
        else:
            continue
        state = _with(state, name, replace(lane, in_flight=True))
    question = _question(state, tick)
    if question is not None:
        effects.append(question)
        lane = replace(state.lanes[CONTROL], in_flight=True)
        state = replace(_with(state, CONTROL, lane), asked_at=tick.now)
    state, more = _on_config(state, applying_state.Passed(tick.now))
    return state, effects + more


def _question(state: State, tick: Tick) -> Optional[AnyEffect]:
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


def _on_acknowledged(state: State, message: Acknowledged) -> Decision:
    lane = state.lanes[message.lane]
    effects: List[AnyEffect] = [Settle(message.lane)]
    if lane.failures or lane.refusals:
        effects.append(Note("info", "the server answers again"))
    if lane.failures and message.lane == LIVE:
        # What was delivered is old by now: let the present follow at once.
        state = replace(state, next_report_at=message.now)
    if 0 < state.no_room_until <= message.now:
        state = replace(state, no_room_until=0.0)
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


def _on_told(state: State, message: Told) -> Decision:
    lane = Lane(not_before=state.asked_at + ASK_AGAIN_S)
    if not message.fresh and message.now - state.asked_at < QUICK_S:
        before = replace(state.lanes[CONTROL], in_flight=False)
        lane = _paused(before, message.now, _longest_pause(before))
    state = replace(_with(state, CONTROL, lane), told_revision=message.revision)
    return state, _asked(state, message.commands, message.now, again=False)


def _on_fetched(state: State, message: Fetched) -> Decision:
    config = message.config
    state = _with(state, CONTROL, Lane(not_before=state.asked_at + ASK_AGAIN_S))
    state = replace(state, told_revision=config.revision)
    state = _at_interval(state, message.interval_s, message.now)
    return _on_config(state, applying_state.Offered(message.now, config))


def _on_config(state: State, message: applying_state.Message) -> Decision:
    config, effects = applying.decide(state.config, message)
    return replace(state, config=config), list(effects)


def _on_enrolled(state: State, message: Enrolled) -> Decision:
    state = _with(state, CONTROL, Lane(not_before=state.asked_at + ASK_AGAIN_S))
    state = _at_interval(state, message.interval_s, message.now)
    return state, [Join(message.told), Note("info", "enrolled with the server")]


def _asked(
    state: State, commands: Tuple[Command, ...], now: float, *, again: bool
) -> List[AnyEffect]:
    """Heed commands. Whether one expired the server's clock says; this device's may be off."""
    server_now = None if state.server_ahead_s is None else now + state.server_ahead_s
    effects: List[AnyEffect] = []
    for command in commands:
        ends_at = command.expires_at
        expired = ends_at is not None and server_now is not None and server_now >= ends_at
        effects.append(Run(command, expired=expired, again=again))
    return effects


def _after_failure(lane: Lane, message: Failed, *, alone: bool) -> Tuple[Lane, List[AnyEffect]]:
    # Full jitter: a fleet that was cut off comes back spread.
    pause = _longest_pause(lane) * message.luck
    if message.retry_after_s is not None:
        pause += min(max(message.retry_after_s, 0.0), LONGEST_REFUSED_PAUSE_S)
    effects: List[AnyEffect] = []
    if lane.failures == 0 and message.lane == CONTROL:
        # Once there are reports nothing is late by that: their answers bring commands as well.
        text = "cannot ask the server: " + message.reason
        effects.append(Note("warning" if alone else "info", text))
    elif lane.failures == 0:
        effects.append(Note("warning", "cannot deliver: " + message.reason))
    lane = replace(lane, failures=lane.failures + 1, not_before=message.now + pause)
    return lane, effects


def _after_refusal(lane: Lane, message: KeyRefused) -> Tuple[Lane, List[AnyEffect]]:
    longest = min(FIRST_REFUSED_PAUSE_S * 2 ** min(lane.refusals, 10), LONGEST_REFUSED_PAUSE_S)
    pause = longest * (0.5 + message.luck / 2)
    effects: List[AnyEffect] = []
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


_DECISIONS: Dict[type, Callable[[State, Any], Decision]] = {
    Tick: _on_tick,
    Acknowledged: _on_acknowledged,
    Told: _on_told,
    Fetched: _on_fetched,
    Enrolled: _on_enrolled,
    Retired: _on_retired,
    NoRoom: _on_no_room,
}
