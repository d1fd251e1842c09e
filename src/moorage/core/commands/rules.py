"""What may be asked of a device, and by whom."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from moorage.core.caller import Scope
from moorage.core.errors import invalid

_STREAM_KINDS = ("pause_stream", "resume_stream", "terminate_stream", "trigger_stream")
SNAPSHOT = "snapshot"
PLAN = "plan"
UPDATE_AGENT = "update_agent"
KINDS = (
    "ping",
    "collect_logs",
    "restart_agent",
    UPDATE_AGENT,
    "restart_service",
    "reboot",
    SNAPSHOT,
    PLAN,
    *_STREAM_KINDS,
)

DEFAULT_EXPIRY = timedelta(hours=1)
SHORTEST_EXPIRY = timedelta(seconds=5)
LONGEST_EXPIRY = timedelta(days=30)

_NEEDED = {
    "restart_service": "service",
    SNAPSHOT: "stream_id",
    **dict.fromkeys(_STREAM_KINDS, "stream_id"),
}


def scope_for(kind: str) -> Scope:
    """Return the scope that sending a command needs; a reboot has one of its own."""
    return Scope.COMMAND_REBOOT if kind == "reboot" else Scope.COMMAND_SEND


def check(kind: str, arguments: Mapping[str, Any], expires_in: timedelta) -> None:
    """Raise DomainError ``invalid`` unless a device could make sense of the command."""
    if kind not in KINDS:
        raise invalid("/kind", f"there is no such command; there are {', '.join(KINDS)}")
    needed = _NEEDED.get(kind)
    if needed is not None and not (isinstance(arguments.get(needed), str) and arguments[needed]):
        raise invalid(f"/arguments/{needed}", f"{kind} needs the argument {needed}, a text")
    if kind == PLAN and not isinstance(arguments.get("document"), dict):
        raise invalid("/arguments/document", "plan needs the argument document, an object")
    if kind == UPDATE_AGENT:
        _check_update(arguments)
    if not SHORTEST_EXPIRY <= expires_in <= LONGEST_EXPIRY:
        raise invalid("/expires_in_s", "a command lives from 5 seconds to 30 days")


def _check_update(arguments: Mapping[str, Any]) -> None:
    version, downgrade = arguments.get("version"), arguments.get("downgrade", False)
    if version is not None and not (isinstance(version, str) and version):
        raise invalid("/arguments/version", "version is the one to update to, a text such as 1.4.0")
    if not isinstance(downgrade, bool):
        raise invalid("/arguments/downgrade", "downgrade is true or false")
