"""What a proposed document would have this device do: the same decisions, carried out by nobody."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict, List, Tuple

from moorage_agent import applying
from moorage_agent.applying_state import (
    ON_UNITS,
    RUNNING,
    Done,
    Effect,
    Memory,
    Offered,
    Prepare,
    Remove,
    Seen,
    Start,
    StartStream,
    State,
    StopStream,
    name_of,
)
from moorage_agent.messages import Config
from moorage_agent.units import DOCKER, PROCESS

# Each effect of a document is followed by at most this many that come of it.
_MOST_ROUNDS = 10
_WORDS: Dict[type, str] = {Prepare: "prepare", Start: "start", Remove: "remove"}


def effects_of(state: State, document: Dict[str, Any], now: float) -> List[Effect]:
    """Return what would be done to services and streams, in order, if all of it went well."""
    target = state.memory.in_force()
    revision = 1 if target is None else target.revision + 1
    # From what runs now, as if nothing else were under way.
    memory = Memory(target)
    imagined = replace(
        applying.begin(memory),
        seen=dict(state.seen),
        heard=frozenset((DOCKER, PROCESS)),
        streams=dict(state.streams),
    )
    config = Config(revision, None, document, None)
    imagined, effects = applying.decide(imagined, Offered(now, config))
    found, open_ones = _sorted(effects)
    for _ in range(_MOST_ROUNDS):
        if not open_ones:
            break
        following: List[Any] = []
        for effect in open_ones:
            imagined, effects = applying.decide(imagined, Done(now, effect))
            if isinstance(effect, Start):
                seen = Seen(effect.unit.driver, effect.unit.digest, RUNNING)
                imagined = replace(imagined, seen={**imagined.seen, effect.unit.name: seen})
            more, then = _sorted(effects)
            found += more
            following += then
        open_ones = following
    return found


def _sorted(effects: List[Effect]) -> Tuple[List[Effect], List[Any]]:
    """Return what to tell, and those of it that are answered by Done."""
    kinds = (*ON_UNITS, StartStream, StopStream)
    told: List[Effect] = [one for one in effects if isinstance(one, kinds)]
    return told, [one for one in told if isinstance(one, ON_UNITS)]


def told_of(effect: Effect) -> Dict[str, Any]:
    """Return an effect in words, without anything that may be secret."""
    if isinstance(effect, StartStream):
        return {"do": "start_stream", "stream": effect.stream_id}
    if isinstance(effect, StopStream):
        return {"do": "stop_stream", "stream": effect.stream_id}
    if not isinstance(effect, ON_UNITS):
        raise TypeError("%r is nothing that a plan tells" % type(effect))
    told: Dict[str, Any] = {
        "do": _WORDS.get(type(effect), "restart"),
        "service": name_of(effect),
    }
    if isinstance(effect, (Prepare, Start)) and effect.unit.body.get("image") is not None:
        told["image"] = effect.unit.body["image"]
    return told
