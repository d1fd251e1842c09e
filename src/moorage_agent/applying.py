"""Getting from one config to the next and holding it there: pure decisions.

``decide(state, message)`` returns the next state and effects, which are to be carried out in their
order. What is on the disk and what the drivers see is all that a later process needs: it compares
the two and goes on. So a power cut at any instant ends in the document that is being tried or in
the last good one, never between them.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Tuple

from moorage_agent.applying_state import (
    PREPARE,
    RESTART,
    RUNNING,
    STARTING,
    UNHEALTHY,
    Answer,
    Asked,
    Done,
    Effect,
    Memory,
    Message,
    Observed,
    Offered,
    OnUnit,
    Passed,
    Prepare,
    Problem,
    Remember,
    Remove,
    Restart,
    Seen,
    Start,
    State,
    Target,
    Trouble,
    Trying,
    name_of,
)
from moorage_agent.messages import Note
from moorage_agent.reconciling import Decision, is_right, onward
from moorage_agent.records import replace
from moorage_agent.units import Unit
from moorage_agent.verdicts import PREPARE_WITHIN_S, fail, in_force, take, units_in, verdict

FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 300.0
# A unit that ran so long has forgotten its troubles.
FORGIVEN_AFTER_S = 60.0
# A verdict changes what is in force at most so often in one step: tried, gone back, settled.
_MOST_VERDICTS = 3


def begin(memory: Memory) -> State:
    """Return the state of a process that just started."""
    return in_force(State(), memory)


def decide(state: State, message: Message) -> Decision:
    """Decide."""
    state, effects = _HEED[type(message)](state, message)
    for _ in range(_MOST_VERDICTS):
        state, more = onward(state, message.now)
        effects += more
        state, more = verdict(state, message.now)
        effects += more
        if not more:
            break
    return state, effects


def is_applying(state: State) -> bool:
    """Whether a document is on its way in or out."""
    return state.memory.trying is not None


# --- what a message changes


def _on_offered(state: State, message: Offered) -> Decision:
    config, memory = message.config, state.memory
    if config.problem is not None:
        problem = Problem(config.revision, config.digest, config.problem)
        memory = memory._replace(problem=problem)
        text = "config revision %d cannot be used: %s; the last good one stays in force"
        note = Note("error", text % (config.revision, config.problem))
        return replace(state, memory=memory), [Remember(memory), note]
    if config.document is None:
        if memory.good is None:
            return state, []
        target = memory.good._replace(revision=config.revision)
    else:
        target = Target(config.revision, config.digest, config.document)
    trying = memory.trying
    if _is_known(memory, target):
        return state, []
    as_before = _same_units(units_in(target), units_in(memory.good))
    if trying is None and as_before:
        return take(state, Memory(good=target))
    memory = Memory(memory.good, Trying(target))
    state = replace(in_force(state, memory), give_up_at=message.now + PREPARE_WITHIN_S)
    note = Note("info", "config revision %d: applying it" % target.revision)
    return state, [Remember(memory), note]


def _is_known(memory: Memory, target: Target) -> bool:
    """Whether a document is being tried, or was of no use to this very agent."""
    if memory.trying is not None and memory.trying.target == target:
        return True
    problem = memory.problem
    if problem is None or problem.agent_version is not None:
        return False
    return (problem.revision, problem.digest) == (target.revision, target.digest)


def _same_units(ones: Dict[str, Unit], others: Dict[str, Unit]) -> bool:
    return {n: u.digest for n, u in ones.items()} == {n: u.digest for n, u in others.items()}


def _on_observed(state: State, message: Observed) -> Decision:
    driver = frozenset([message.driver])
    if message.seen is None:
        return replace(state, deaf=state.deaf | driver), []
    fresh = {
        name: _with_reason(state, name, seen, message.now)
        for name, seen in message.seen.items()
        if not _is_changing(state, name, message.asked_at)
    }
    kept = {
        name: seen
        for name, seen in state.seen.items()
        if seen.driver != message.driver or _is_changing(state, name, message.asked_at)
    }
    seen = {**kept, **fresh}
    since = {}
    for name, one in seen.items():
        before = state.since.get(name)
        since[name] = before if before and before[0] == one.run else (one.run, message.now)
    troubles = {
        name: trouble
        for name, trouble in state.troubles.items()
        if not _is_forgiven(seen.get(name), since.get(name), message.now)
    }
    return (
        replace(
            state,
            seen=seen,
            since=since,
            troubles=troubles,
            heard=state.heard | driver,
            deaf=state.deaf - driver,
        ),
        [],
    )


def _with_reason(state: State, name: str, seen: Seen, now: float) -> Seen:
    """Keep for a while why a unit ended that was restarted since: its driver forgets it."""
    before, since = state.seen.get(name), state.since.get(name)
    if before is None or before.digest != seen.digest or seen.error is not None:
        return seen
    recent = since is not None and now - since[1] < FORGIVEN_AFTER_S
    return seen._replace(error=before.error) if recent and seen.restarts else seen


def _is_changing(state: State, name: str, asked_at: float) -> bool:
    """Whether what was seen then of a unit may be old by now; preparing it changes nothing."""
    return state.busy.get(name, PREPARE) != PREPARE or state.settled.get(name, -1.0) >= asked_at


def _is_forgiven(seen: Optional[Seen], since: Optional[Tuple[str, float]], now: float) -> bool:
    running = seen is not None and seen.state == RUNNING and seen.health != UNHEALTHY
    return running and since is not None and now - since[1] >= FORGIVEN_AFTER_S


def _on_done(state: State, message: Done) -> Decision:
    effect = message.effect
    name = name_of(effect)
    busy = {other: what for other, what in state.busy.items() if other != name}
    state = replace(state, busy=busy)
    if not isinstance(effect, Prepare):
        state = replace(state, settled={**state.settled, name: message.now})
    effects: List[Effect] = []
    if isinstance(effect, Restart) and effect.command_id is not None:
        effects.append(Answer(effect.command_id, message.error))
    if message.error is None:
        return _succeeded(state, effect, message.now), effects
    if _refuses_what_is_tried(state, message):
        state, more = fail(state, "%s: %s" % (name, message.error), {name: message.blocked})
        return state, effects + more
    before = state.troubles.get(name)
    if before is None or before.error != message.error:
        effects.append(Note("warning", "service %s: %s" % (name, message.error)))
    trouble = _trouble(before, message.now, message.error, message.blocked)
    return replace(state, troubles={**state.troubles, name: trouble}), effects


def _refuses_what_is_tried(state: State, message: Done) -> bool:
    """Whether it cannot become what it is to be. What was begun for an earlier one may fail."""
    effect = message.effect
    if state.memory.proposed() is None or message.again:
        return False
    if not isinstance(effect, (Prepare, Start)) or effect.unit.name not in state.changed:
        return False
    return effect.unit.digest == state.units[effect.unit.name].digest


def _succeeded(state: State, effect: OnUnit, now: float) -> State:
    name, seen, troubles = name_of(effect), dict(state.seen), dict(state.troubles)
    if isinstance(effect, Prepare):
        return replace(state, prepared=state.prepared | {effect.unit.digest})
    if isinstance(effect, Remove):
        seen.pop(name, None)
        return replace(state, seen=seen)
    if isinstance(effect, Start):
        # Until it is seen.
        seen[name] = Seen(effect.unit.driver, effect.unit.digest, STARTING)
    # When it is down again the next start waits longer.
    troubles[name] = _trouble(troubles.get(name), now, None, None)
    return replace(state, seen=seen, troubles=troubles)


def _trouble(
    before: Optional[Trouble], now: float, error: Optional[str], blocked: Optional[str]
) -> Trouble:
    count = 0 if before is None else before.tries
    pause = min(FIRST_PAUSE_S * 2 ** min(count, 10), LONGEST_PAUSE_S)
    return Trouble(count + 1, now + pause, error, blocked)


def _on_asked(state: State, message: Asked) -> Decision:
    name, seen = message.name, state.seen.get(message.name)
    if name not in state.units and seen is None:
        known = ", ".join(sorted(state.units)) or "none"
        error = "there is no service %s here; there are: %s" % (name, known)
    elif name in state.busy or (seen is not None and not is_right(state, name)):
        error = "%s is being changed right now; ask again when that is over" % name
    elif seen is None:
        error = "%s does not run; the agent is trying to start it" % name
    else:
        busy = {**state.busy, name: RESTART}
        restart = Restart(name, seen.driver, message.command_id)
        return replace(state, busy=busy), [restart]
    return state, [Answer(message.command_id, error)]


def _on_passed(state: State, _message: Passed) -> Decision:
    return state, []


_HEED: Dict[type, Callable[[State, Any], Decision]] = {
    Offered: _on_offered,
    Observed: _on_observed,
    Done: _on_done,
    Asked: _on_asked,
    Passed: _on_passed,
}
