"""Which route needs what, and how errors name it; what is not listed fails the refusal matrix."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from moorage.core.caller import Scope

DEVICES: Final = "/devices"
DEVICE: Final = "/devices/{device_id}"
LOGIN: Final = "/login"
UNKNOWN: Final = "api.unknown"


@dataclass(frozen=True)
class Operation:
    """``context`` is how that API's errors name it; ``needs`` None takes any workspace key."""

    context: str
    needs: Scope | None


OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("GET", LOGIN): Operation("api.login", None),
    ("POST", DEVICES): Operation("api.device_create", Scope.DEVICE_UPDATE),
    ("GET", DEVICES): Operation("api.device_list", Scope.DEVICE_READ),
    ("GET", DEVICE): Operation("api.device_get", Scope.DEVICE_READ),
    ("PATCH", DEVICE): Operation("api.device_update", Scope.DEVICE_UPDATE),
    ("DELETE", DEVICE): Operation("api.device_delete", Scope.DEVICE_DELETE),
}


def template_of(path: str) -> str | None:
    """Return the template of the routes at a path, or None where there are none."""
    if path in (DEVICES, LOGIN):
        return path
    start, _, device_id = path.rpartition("/")
    return DEVICE if start == DEVICES and device_id else None
