"""Which route needs what; a route that is not listed fails the refusal matrix."""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from moorage.core.caller import Scope

ANY_KEY: Final = "any key"
DEVICE: Final = "the device's own key"
TOKEN_IN_BODY: Final = "token in the body"  # noqa: S105 - what stands there
BY_CALL: Final = "device:read, or portainer:manage for what changes things"
_D = "/api/devices/{device_id}"
_V = "/api/virtual-devices/{device_id}"
_PROXY = "/api/portainer/{device_id}/docker/{path:path}"

Needs: TypeAlias = (
    Scope
    | Literal[
        "any key",
        "the device's own key",
        "token in the body",
        "device:read, or portainer:manage for what changes things",
    ]
)

NEEDS: Mapping[tuple[str, str], Needs] = {
    ("POST", "/api/devices/provision"): TOKEN_IN_BODY,
    ("POST", "/api/provisioning-tokens"): Scope.TOKEN_WRITE,
    ("GET", "/api/provisioning-tokens"): Scope.TOKEN_READ,
    ("DELETE", "/api/provisioning-tokens/{token_id}"): Scope.TOKEN_WRITE,
    ("GET", "/api/device/self"): DEVICE,
    ("POST", "/api/device/checkin"): DEVICE,
    ("POST", "/api/agent/checkin"): DEVICE,
    ("GET", "/api/devices"): Scope.DEVICE_READ,
    ("GET", _D): Scope.DEVICE_READ,
    ("PATCH", _D): Scope.DEVICE_UPDATE,
    ("DELETE", _D): Scope.DEVICE_DELETE,
    ("POST", f"{_D}/release"): Scope.DEVICE_UPDATE,
    ("GET", "/api/virtual-devices"): Scope.DEVICE_READ,
    ("POST", "/api/virtual-devices"): Scope.DEVICE_UPDATE,
    ("GET", _V): Scope.DEVICE_READ,
    ("DELETE", _V): Scope.DEVICE_DELETE,
    ("POST", f"{_V}/drive"): Scope.DEVICE_UPDATE,
    ("GET", "/api/organization"): ANY_KEY,
    ("PATCH", "/api/organization"): Scope.WORKSPACE_ADMIN,
    **{(method, _PROXY): BY_CALL for method in ("GET", "HEAD", "POST", "PUT", "DELETE")},
}
