"""What reports say of the services. Pure."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

from moorage_agent.applying_state import NO_CHECK, PREPARE, REMOVE, RUNNING, Seen, State, Trouble

Stats = Dict[str, Tuple[Optional[float], Optional[float]]]


def rows(state: State, stats: Stats) -> List[Dict[str, Any]]:
    """Return a row for each service that is to run, still runs, or cannot run here."""
    found: List[Dict[str, Any]] = []
    problem = state.memory.problem
    blocked = {} if problem is None else dict(problem.blocked)
    for name in sorted({*state.units, *state.seen, *blocked}):
        unit, seen, trouble = (
            state.units.get(name),
            state.seen.get(name),
            state.troubles.get(name),
        )
        row: Dict[str, Any] = {"name": name, "state": _state(state, name, seen, trouble)}
        if unit is not None and unit.body.get("image") is not None:
            row["image"] = unit.body["image"]
        if seen is not None:
            row["restarts"] = seen.restarts
            if seen.error is not None:
                row["error"] = seen.error
        elif unit is None:
            row["state"] = "blocked: %s" % blocked[name]
            row["error"] = "" if problem is None else problem.error
        if trouble is not None and trouble.error is not None:
            row["error"] = trouble.error
        cpu_percent, memory_mb = stats.get(name, (None, None))
        row.update({"cpu_percent": cpu_percent, "memory_mb": memory_mb})
        found.append({key: value for key, value in row.items() if value is not None})
    return found


def _state(state: State, name: str, seen: Optional[Seen], trouble: Optional[Trouble]) -> str:
    if trouble is not None and trouble.blocked is not None:
        return "blocked: %s" % trouble.blocked
    if state.busy.get(name) == REMOVE:
        return "stopping"
    if seen is not None:
        checked = seen.state == RUNNING and seen.health != NO_CHECK
        return seen.health if checked else seen.state
    if state.busy.get(name) == PREPARE:
        return "preparing"
    return "failed" if trouble is not None and trouble.error is not None else "waiting"
