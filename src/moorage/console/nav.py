"""The navigation beside every page. A page is listed here once its route is there."""

from dataclasses import dataclass

from moorage.console.contexts.shell import NavItem
from moorage.core.caller import Caller, Scope


@dataclass(frozen=True)
class Entry:
    """Where it leads, and what scope it is worth showing to."""

    title: str
    path: str
    icon: str
    needs: Scope


ENTRIES = (
    Entry("Devices", "/console/devices", "devices", Scope.DEVICE_READ),
    Entry("Add a device", "/console/devices/add", "plus", Scope.DEVICE_UPDATE),
    Entry("Config", "/console/workspace/config", "adjustments", Scope.CONFIG_READ),
    Entry("Tokens", "/console/workspace/tokens", "ticket", Scope.TOKEN_READ),
    Entry("API keys", "/console/workspace/keys", "key", Scope.API_KEY_READ),
    Entry("People", "/console/workspace/people", "users", Scope.WORKSPACE_ADMIN),
    Entry("Audit", "/console/workspace/audit", "history", Scope.AUDIT_READ),
    Entry("Health", "/console/workspace/health", "heartbeat", Scope.DEVICE_READ),
)


def items(path: str, caller: Caller, there: frozenset[str]) -> tuple[NavItem, ...]:
    """Return what to show to a caller, of the paths that have a route.

    Active is the entry that leads furthest towards the path.
    """
    shown = [one for one in ENTRIES if one.path in there and caller.may(one.needs)]
    fits = [one.path for one in shown if path == one.path or path.startswith(f"{one.path}/")]
    best = max(fits, key=len, default=None)
    return tuple(NavItem(one.title, one.path, one.icon, one.path == best) for one in shown)
