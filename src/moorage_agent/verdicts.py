"""Which document is in force, and whether one that is tried went well: pure decisions."""

from __future__ import annotations

from typing import Any, Dict, FrozenSet, Optional, Tuple

from moorage_agent import units
from moorage_agent.applying_state import (
    FAILED,
    FINISHED,
    HEALTHY,
    NO_CHECK,
    RUNNING,
    UNHEALTHY,
    Memory,
    Problem,
    Remember,
    Seen,
    State,
    Target,
    Trying,
)
from moorage_agent.messages import Note
from moorage_agent.reconciling import Decision, is_right
from moorage_agent.records import replace
from moorage_agent.units import Unit

# How long what is needed may take to come while the network fails.
PREPARE_WITHIN_S = 1800.0
MOST_RESTARTS = 3


def in_force(state: State, memory: Memory) -> State:
    """Have another document in force, nothing of it done yet."""
    target = memory.in_force()
    wanted = units_in(target)
    changed: FrozenSet[str] = frozenset()
    if memory.proposed() is not None:
        before = units_in(memory.good)
        changed = frozenset(
            name for name, unit in wanted.items() if _digest(before.get(name)) != unit.digest
        )
    return replace(
        state,
        memory=memory,
        units=wanted,
        wanted_streams=_digests(units.streams_of(None if target is None else target.document)),
        changed=changed,
        prepared=frozenset(),
        troubles={},
        ready=False,
        give_up_at=None,
    )


def _digests(streams: Dict[str, Dict[str, Any]]) -> Dict[str, str]:
    return {stream_id: units.digest_of(spec) for stream_id, spec in streams.items()}


def units_in(target: Optional[Target]) -> Dict[str, Unit]:
    """Return a kept document's units; what another version took and this one cannot run is none."""
    try:
        return units.units_of(None if target is None else target.document)
    except ValueError:
        return {}


def images_kept_s(target: Optional[Target]) -> float:
    """Return how long unused images stay by a kept document; as usual if it says nothing usable."""
    try:
        return units.images_kept_s(None if target is None else target.document)
    except ValueError:
        return units.IMAGES_KEPT_S


def _digest(unit: Optional[Unit]) -> Optional[str]:
    return None if unit is None else unit.digest


def take(state: State, memory: Memory) -> Decision:
    """Have the good document of the memory in force, as proved."""
    good = memory.good
    note = Note("info", "config revision %d is applied" % (0 if good is None else good.revision))
    prepared, troubles = state.prepared, state.troubles
    state = replace(in_force(state, memory), prepared=prepared, troubles=troubles)
    return state, [Remember(memory), note]


def verdict(state: State, now: float) -> Decision:
    """End a try, or the way back from one; no effects: not yet."""
    trying = state.memory.trying
    if trying is None:
        return state, []
    if trying.failure is not None:
        return _gone_back(state, trying) if _is_settled(state) else (state, [])
    if state.ready:
        return _judged(state, trying, now)
    if state.give_up_at is None:
        # A process that started in the middle of it counts from then on.
        return replace(state, give_up_at=now + PREPARE_WITHIN_S), []
    return _out_of_time(state, now)


def _judged(state: State, trying: Trying, now: float) -> Decision:
    """Say whether all that is new has proved itself, or something of it never will."""
    waits = False
    for name in sorted(state.changed):
        failure, healthy = _health(state, name, now)
        if failure is not None and name not in state.busy:
            return fail(state, "%s: %s" % (name, failure), {})
        waits = waits or not healthy
    extra = [name for name in state.seen if name not in state.units]
    before = units_in(state.memory.good)
    # What has to go may be there still while nobody has said what runs.
    leaving = [
        unit for name, unit in before.items() if _digest(state.units.get(name)) != unit.digest
    ]
    unheard = [unit for unit in leaving if unit.driver not in state.heard]
    if not waits and not extra and not unheard and not state.busy:
        return take(state, Memory(good=trying.target, problem=state.memory.problem))
    return _out_of_time(state, now)


def _out_of_time(state: State, now: float) -> Decision:
    late = state.give_up_at is not None and now >= state.give_up_at and not state.busy
    return fail(state, _what_is_missing(state), {}) if late else (state, [])


def _health(state: State, name: str, now: float) -> Tuple[Optional[str], bool]:
    """Return what is wrong for good with a unit, and whether it has proved itself."""
    seen, since = state.seen.get(name), state.since.get(name)
    if seen is None or not is_right(state, name):
        return None, False
    return proof_of(state.units[name], seen, None if since is None else now - since[1])


def proof_of(unit: Unit, seen: Seen, ran_s: Optional[float]) -> Tuple[Optional[str], bool]:
    """Return what is wrong for good with what is seen of a unit, and whether it proved itself.

    ``ran_s``: how long this run of it has been seen for.
    """
    wrong = None
    if seen.state == FAILED:
        wrong = "it ended and is not to be restarted"
    elif seen.health == UNHEALTHY:
        wrong = "its health check fails"
    elif seen.restarts >= MOST_RESTARTS:
        wrong = "it was restarted %d times" % seen.restarts
    if wrong is not None:
        return wrong if seen.error is None else "%s: %s" % (wrong, seen.error), False
    stable = ran_s is not None and ran_s >= unit.stable_s
    proved = seen.state == FINISHED or seen.health == HEALTHY
    return None, proved or (seen.state == RUNNING and seen.health == NO_CHECK and stable)


def _what_is_missing(state: State) -> str:
    found = []
    for name in sorted(state.changed):
        seen, trouble = state.seen.get(name), state.troubles.get(name)
        if trouble is not None and trouble.error is not None:
            found.append("%s: %s" % (name, trouble.error))
        elif seen is None or not is_right(state, name):
            found.append("%s could not be started in time" % name)
        else:
            told = "" if seen.error is None else " (%s)" % seen.error
            found.append("%s was not healthy in time: %s%s" % (name, seen.state, told))
    return "; ".join(found) or "what had to go could not be removed in time"


def fail(state: State, reason: str, blocked: Dict[str, Optional[str]]) -> Decision:
    """Turn back, the reason on the disk first."""
    trying = state.memory.trying
    if trying is None:
        return state, []
    why = tuple((name, what) for name, what in sorted(blocked.items()) if what is not None)
    memory = state.memory._replace(trying=trying._replace(failure=reason, blocked=why))
    text = "config revision %d failed: %s; going back" % (trying.target.revision, reason)
    return in_force(state, memory), [Remember(memory), Note("error", text)]


def _is_settled(state: State) -> bool:
    """Whether all of the document in force runs, or was tried at least once."""
    if state.busy:
        return False
    for unit in state.units.values():
        tried = unit.name in state.troubles or unit.driver in state.deaf
        if not tried and not is_right(state, unit.name):
            return False
    refused = [name for name, trouble in state.troubles.items() if trouble.error is not None]
    return all(name in state.units or name in refused for name in state.seen)


def _gone_back(state: State, trying: Trying) -> Decision:
    memory = state.memory
    target, error = trying.target, trying.failure or ""
    later = memory.problem
    problem = Problem(target.revision, target.digest, error, trying.blocked)
    memory = Memory(memory.good, None, problem if later is None else later)
    good = memory.good
    back = "no config" if good is None else "revision %d" % good.revision
    state = replace(state, memory=memory)
    return state, [Remember(memory), Note("warning", "went back to %s" % back)]
