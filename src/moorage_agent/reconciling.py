"""What brings what runs nearer to the document in force: pure decisions."""

from __future__ import annotations

from typing import List, Tuple

from moorage_agent import units
from moorage_agent.applying_state import (
    PREPARE,
    REMOVE,
    RESTART,
    START,
    STOPPED,
    UNHEALTHY,
    Effect,
    Memory,
    Prepare,
    Remove,
    Restart,
    Start,
    StartStream,
    State,
    StopStream,
)
from moorage_agent.records import replace
from moorage_agent.units import Unit

# How long services may take to be healthy, unless they are to be watched for longer.
HEALTHY_WITHIN_S = 300.0

Decision = Tuple[State, List[Effect]]


def onward(state: State, now: float) -> Decision:
    """Do what brings what runs nearer to the document in force."""
    if state.memory == Memory():
        return state, []  # before there was any document there is nothing to hold things against
    proposing = state.memory.proposed() is not None
    todo = [unit for unit in state.units.values() if _needs(state, unit, proposing=proposing)]
    state, effects = _prepare(state, todo, now)
    if proposing and not state.ready:
        if any(u.name in state.changed and u.digest not in state.prepared for u in todo):
            return state, effects  # nothing is touched before all that is needed is there
        longest = max([state.units[name].stable_s for name in state.changed], default=0.0)
        give_up_at = now + max(HEALTHY_WITHIN_S, 2 * longest)
        state = replace(state, ready=True, give_up_at=give_up_at)
    state, more = _match_streams(state)
    effects += more
    state, more, waits = _remove(state, now)
    effects += more
    if not waits:
        state, more = _start(state, todo, now)
        effects += more
    return state, effects


def _needs(state: State, unit: Unit, *, proposing: bool) -> bool:
    """Whether something is to be done for a unit; of a silent driver only a proposal asks it."""
    if unit.driver not in state.heard and not proposing:
        return False
    seen = state.seen.get(unit.name)
    return not is_right(state, unit.name) or (seen is not None and seen.state == STOPPED)


def is_right(state: State, name: str) -> bool:
    """Whether a unit is there as the document in force has it."""
    unit, seen = state.units.get(name), state.seen.get(name)
    if unit is None or seen is None:
        return False
    return (seen.driver, seen.digest) == (unit.driver, unit.digest)


def _is_free(state: State, name: str, now: float) -> bool:
    trouble = state.troubles.get(name)
    return name not in state.busy and (trouble is None or now >= trouble.not_before)


def _prepare(state: State, todo: List[Unit], now: float) -> Decision:
    effects: List[Effect] = []
    for unit in todo:
        if unit.digest not in state.prepared and _is_free(state, unit.name, now):
            effects.append(Prepare(unit))
            state = replace(state, busy={**state.busy, unit.name: PREPARE})
    return state, effects


def _remove(state: State, now: float) -> Tuple[State, List[Effect], bool]:
    """Take away what is not wanted; the last: whether starts have to wait for that."""
    effects: List[Effect] = []
    waits = any(what == REMOVE for what in state.busy.values())
    for name, seen in state.seen.items():
        unit = state.units.get(name)
        if is_right(state, name) or (unit is not None and unit.digest not in state.prepared):
            continue
        if _is_free(state, name, now):
            effects.append(Remove(name, seen.driver))
            state = replace(state, busy={**state.busy, name: REMOVE})
            waits = True
    return state, effects, waits


def _start(state: State, todo: List[Unit], now: float) -> Decision:
    effects: List[Effect] = []
    target = state.memory.in_force()
    revision = 0 if target is None else target.revision
    for unit in todo:
        name, seen = unit.name, state.seen.get(unit.name)
        wrong = seen is not None and not is_right(state, name)
        there = unit.digest in state.prepared and unit.driver in state.heard
        if there and not wrong and _is_free(state, name, now):
            effects.append(Start(unit, revision))
            state = replace(state, busy={**state.busy, name: START})
    if state.memory.trying is None:
        for name, seen in state.seen.items():
            if seen.health == UNHEALTHY and is_right(state, name) and _is_free(state, name, now):
                effects.append(Restart(name, seen.driver))
                state = replace(state, busy={**state.busy, name: RESTART})
    return state, effects


def _match_streams(state: State) -> Decision:
    digests = state.wanted_streams
    if state.streams == digests:
        return state, []
    target = state.memory.in_force()
    effects: List[Effect] = [StopStream(gone) for gone in state.streams if gone not in digests]
    for stream_id, spec in units.streams_of(None if target is None else target.document).items():
        if state.streams.get(stream_id) != digests[stream_id]:
            effects.append(StartStream(stream_id, spec))
    return replace(state, streams=digests), effects
