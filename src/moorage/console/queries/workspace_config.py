"""What the page of a workspace's default config reads, and what a text for it would do."""

import json
import math
from collections.abc import Mapping
from typing import Any

from moorage.console import jsontext
from moorage.console.contexts.workspace_config import Checked, DefaultConfig, Fault, Kept
from moorage.core import config, workspaces
from moorage.core.caller import Caller, Scope
from moorage.core.errors import DomainError, Kind, invalid
from moorage.core.workspaces import KeptDays
from moorage.storage import Tx

_MOST_CHANGED = 20
_TITLES = {
    "telemetry_days": "Telemetry, each sample",
    "telemetry_5min_days": "Telemetry, every 5 min",
    "telemetry_hourly_days": "Telemetry, every hour",
    "logs_days": "Log lines",
    "events_days": "Events",
    "audit_days": "Audit",
}


async def show(tx: Tx, caller: Caller, bounds: Mapping[str, KeptDays]) -> DefaultConfig:
    """Read what new devices begin with (``config:read``), and how long rows are kept."""
    found = await config.get_default(tx, caller)
    workspace = await workspaces.get(tx, caller.workspace_id)
    return DefaultConfig(
        patch=_pretty(config.masked(found.patch)),
        document=_pretty(config.masked(found.document)),
        digest=found.digest,
        may_write=caller.may(Scope.CONFIG_WRITE),
        checked=None,
        kept=[_kept(name, days, workspace.retention.get(name)) for name, days in bounds.items()],
        may_keep=caller.may(Scope.WORKSPACE_ADMIN),
        slug=workspace.slug,
    )


def _kept(name: str, days: KeptDays, chosen: float | None) -> Kept:
    return Kept(
        name=name,
        title=_TITLES.get(name, name.removesuffix("_days").replace("_", " ").capitalize()),
        days=f"{days.of(chosen):g}",
        own="" if chosen is None else f"{chosen:g}",
        bounds=f"{days.least:g} to {days.most:g} days; empty: {days.days:g}, as for everybody here",
    )


def patch_of(text: str) -> dict[str, Any]:
    """Read what was typed. Raises DomainError ``invalid`` with the line."""
    try:
        value = jsontext.read(text if text.strip() else "{}").value
    except jsontext.MisreadError as error:
        where = "" if error.line is None else f"line {error.line}: "
        raise invalid("/patch", f"{where}{error.detail}") from None
    if not isinstance(value, dict):
        raise invalid("/patch", "a config is a JSON object: { … }")
    return value


async def check(tx: Tx, caller: Caller, text: str) -> Checked:
    """Say what saving a text would do (``config:write``), or what is wrong with it."""
    caller.require(Scope.CONFIG_WRITE)
    try:
        draft = await config.try_default(tx, caller, patch_of(text))
    except DomainError as error:
        if error.kind is not Kind.INVALID:
            raise
        faults = [Fault(one.pointer.removeprefix("/patch"), one.detail) for one in error.faults]
        return Checked(faults or [Fault("", error.detail)], (), 0, "")
    changed = list(draft.changed)
    more = max(0, len(changed) - _MOST_CHANGED)
    return Checked((), changed[:_MOST_CHANGED], more, _pretty(draft.document))


def days_of(text: str, name: str) -> float | None:
    """Read a number of days, None for the server's own. Raises DomainError ``invalid``."""
    if not text.strip():
        return None
    try:
        days = float(text)
    except ValueError:
        days = math.nan
    if not math.isfinite(days):
        raise invalid(f"/{name}", "a number of days goes here, or nothing")
    return days


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
