"""What a proposed document would have this device do: the same decisions, carried out by nobody.

And what they would meet: drivers look, nothing is changed.
"""

from __future__ import annotations

import threading
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

from moorage_agent import applying, units
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
from moorage_agent.drivers import Driver, Outlook
from moorage_agent.messages import Config
from moorage_agent.records import replace
from moorage_agent.units import DOCKER, PROCESS, Unit

# Each effect of a document is followed by at most this many that come of it.
_MOST_ROUNDS = 10
# Less than this is no room to work in.
_LEAST_FREE_BYTES = 512 * 1024 * 1024
# While a layer is unpacked it is on the disk packed as well, and layers unpack to about twice that.
_ROOM_FOR_A_BYTE = 3
# How many units are looked at side by side: registries may take their time.
_MOST_LOOKS = 4
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


def told_of(effect: Effect, pulls: Mapping[str, int]) -> Dict[str, Any]:
    """Return an effect in words, without anything that may be secret.

    ``pulls``: bytes to pull by service, where that is known.
    """
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
    if isinstance(effect, Prepare) and effect.unit.name in pulls:
        told["pull_bytes"] = pulls[effect.unit.name]
    return told


# --- what it would meet


class Met(NamedTuple):
    """What the effects of a document would meet. ``pulls``: bytes by service, where known."""

    obstacles: List[Dict[str, Any]]
    notes: List[Dict[str, Any]]
    pulls: Dict[str, int]


def meet(effects: List[Effect], document: Dict[str, Any], drivers: List[Driver]) -> Met:
    """Have the drivers look at what would be prepared."""
    todo = [effect.unit for effect in effects if isinstance(effect, Prepare)]
    outlooks: Dict[str, Outlook] = {unit.name: Outlook() for unit in todo}
    by_name = {driver.name: driver for driver in drivers}

    wrong: List[Exception] = []

    def look() -> None:
        # Each takes what is left; a registry that is silent holds up one of them only.
        while True:
            try:
                unit = todo.pop()
            except IndexError:
                return
            try:
                if unit.driver in by_name:
                    outlooks[unit.name] = by_name[unit.driver].outlook(unit)
            except Exception as error:  # noqa: BLE001 - raised again where somebody waits
                wrong.append(error)

    threads = [threading.Thread(target=look, name="plan", daemon=True) for _ in range(_MOST_LOOKS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise wrong[0]
    met = met_by(outlooks)
    clashes = port_clashes(units.units_of(document))
    return met._replace(obstacles=[*met.obstacles, *clashes])


def met_by(outlooks: Mapping[str, Outlook]) -> Met:
    """Add up what was found by service, in their order; a layer that two need is pulled once."""
    met = Met([], [], {})
    known: Dict[str, int] = {}
    for service, outlook in outlooks.items():
        met.obstacles.extend({"service": service, **one} for one in outlook.obstacles)
        met.notes.extend({"service": service, **one} for one in outlook.notes)
        if outlook.pulls is not None:
            fresh = {what: size for what, size in outlook.pulls.items() if what not in known}
            known.update(fresh)
            met.pulls[service] = sum(fresh.values())
        full = _no_room(sum(known.values()), outlook.free_bytes)
        if full is not None:
            met.obstacles.append({"service": service, "kind": "disk", **full})
    return met


def _no_room(pull_bytes: int, free: Optional[int]) -> Optional[Dict[str, Any]]:
    """Return what is wrong when so much is to be pulled, all in all, into so much room."""
    if free is None:
        return None
    needed = _LEAST_FREE_BYTES + _ROOM_FOR_A_BYTE * pull_bytes
    if free >= needed:
        return None
    text = "%d bytes are free on the engine's disk; to pull %d bytes and unpack them, about %d"
    detail = (text + " should be") % (free, pull_bytes, needed)
    return {"detail": detail, "free_bytes": free, "needed_bytes": needed}


def port_clashes(wanted: Mapping[str, Unit]) -> List[Dict[str, Any]]:
    """Return an obstacle for each port that two services of a document want."""
    found: List[Dict[str, Any]] = []
    holders: Dict[Tuple[int, str], List[Tuple[str, str]]] = {}
    for name, unit in wanted.items():
        for address, here, _inside, protocol in unit.body.get("ports", ()):
            others = holders.setdefault((here, protocol), [])
            for other, elsewhere in others:
                if address == elsewhere or not address or not elsewhere:
                    detail = "port %d/%s is wanted by %s as well" % (here, protocol, other)
                    found.append({"service": name, "kind": "port_taken", "detail": detail})
            others.append((name, address))
    return found
