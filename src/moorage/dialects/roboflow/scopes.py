"""Which route needs what; a route that is not listed fails the refusal matrix."""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from moorage.core.caller import Scope

ANY_KEY: Final = "any key"
KEY_IN_BODY: Final = "key in the body"
_D = "/{workspace}/devices/v2"
_K = "/{workspace}/api-keys"

Needs: TypeAlias = Scope | Literal["any key", "key in the body"]

NEEDS: Mapping[tuple[str, str], Needs] = {
    ("POST", "/"): ANY_KEY,
    ("GET", "/"): ANY_KEY,
    ("GET", "/{workspace}"): ANY_KEY,
    ("POST", "/inference-stats"): KEY_IN_BODY,
    ("GET", _D): Scope.DEVICE_READ,
    ("POST", _D): Scope.DEVICE_UPDATE,
    ("GET", f"{_D}/default-config"): Scope.DEVICE_READ,
    ("GET", f"{_D}/{{device_id}}"): Scope.DEVICE_READ,
    ("GET", f"{_D}/{{device_id}}/config"): Scope.DEVICE_READ,
    ("PATCH", f"{_D}/{{device_id}}/config"): Scope.DEVICE_UPDATE,
    ("GET", f"{_D}/{{device_id}}/config/history"): Scope.DEVICE_READ,
    ("GET", f"{_D}/{{device_id}}/streams"): Scope.DEVICE_READ,
    ("GET", f"{_D}/{{device_id}}/streams/{{stream_id}}"): Scope.DEVICE_READ,
    ("GET", f"{_D}/{{device_id}}/logs"): Scope.DEVICE_READ,
    ("GET", f"{_D}/{{device_id}}/telemetry"): Scope.DEVICE_READ,
    ("GET", f"{_D}/{{device_id}}/events"): Scope.DEVICE_READ,
    ("GET", _K): Scope.API_KEY_READ,
    ("GET", f"{_K}/publishable"): Scope.API_KEY_READ,
    ("GET", f"{_K}/{{key_id}}"): Scope.API_KEY_READ,
    ("POST", _K): Scope.API_KEY_CREATE,
    ("PATCH", f"{_K}/{{key_id}}"): Scope.API_KEY_UPDATE,
    ("DELETE", f"{_K}/{{key_id}}"): Scope.API_KEY_REVOKE,
    ("POST", f"{_K}/{{key_id}}/roll"): Scope.API_KEY_REVOKE,
}
