"""Which route needs what: the table the documents speak of and the refusal matrix is made from.

The core asks for the scope itself; this says what it is to ask for, and a test holds the two
together. A route that is not listed here fails that test.
"""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from moorage.core.caller import Scope

DEVICE_KEY: Final = "device key"
PUBLIC: Final = "public"

Needs: TypeAlias = Scope | Literal["device key", "public"]

NEEDS: Mapping[tuple[str, str], Needs] = {
    # A token in the body is the credential.
    ("POST", "/v1/enroll"): PUBLIC,
    ("POST", "/v1/reports"): DEVICE_KEY,
    ("GET", "/v1/config"): DEVICE_KEY,
    ("GET", "/v1/agent"): DEVICE_KEY,
    ("GET", "/v1/devices"): Scope.DEVICE_READ,
    ("POST", "/v1/devices"): Scope.DEVICE_UPDATE,
    ("GET", "/v1/devices/{device_id}"): Scope.DEVICE_READ,
    ("PATCH", "/v1/devices/{device_id}"): Scope.DEVICE_UPDATE,
    ("DELETE", "/v1/devices/{device_id}"): Scope.DEVICE_DELETE,
    ("POST", "/v1/devices/{device_id}/install"): Scope.DEVICE_UPDATE,
    ("POST", "/v1/devices/{device_id}/release"): Scope.DEVICE_UPDATE,
    ("GET", "/v1/devices/{device_id}/logs"): Scope.DEVICE_READ,
    ("GET", "/v1/devices/{device_id}/events"): Scope.DEVICE_READ,
    ("GET", "/v1/devices/{device_id}/telemetry"): Scope.DEVICE_READ,
    ("GET", "/v1/devices/{device_id}/config"): Scope.CONFIG_READ,
    ("PATCH", "/v1/devices/{device_id}/config"): Scope.CONFIG_WRITE,
    ("GET", "/v1/api-keys"): Scope.API_KEY_READ,
    ("POST", "/v1/api-keys"): Scope.API_KEY_CREATE,
    ("GET", "/v1/api-keys/{key_id}"): Scope.API_KEY_READ,
    ("DELETE", "/v1/api-keys/{key_id}"): Scope.API_KEY_REVOKE,
    ("PATCH", "/v1/api-keys/{key_id}"): Scope.API_KEY_UPDATE,
    ("POST", "/v1/api-keys/{key_id}/roll"): Scope.API_KEY_REVOKE,
    ("GET", "/v1/devices/{device_id}/config/revisions"): Scope.CONFIG_READ,
    ("GET", "/v1/devices/{device_id}/config/revisions/{revision}"): Scope.CONFIG_READ,
    ("POST", "/v1/devices/{device_id}/config/rollback"): Scope.CONFIG_WRITE,
    ("GET", "/v1/default-config"): Scope.CONFIG_READ,
    ("PUT", "/v1/default-config"): Scope.CONFIG_WRITE,
    ("GET", "/v1/devices/{device_id}/streams"): Scope.DEVICE_READ,
    ("POST", "/v1/devices/{device_id}/streams/{stream_id}/{action}"): Scope.COMMAND_SEND,
    ("GET", "/v1/devices/{device_id}/streams/{stream_id}/snapshot"): Scope.DEVICE_READ,
    ("POST", "/v1/devices/{device_id}/config/plan"): Scope.CONFIG_WRITE,
    ("GET", "/v1/devices/{device_id}/services"): Scope.DEVICE_READ,
    ("GET", "/v1/devices/{device_id}/commands"): Scope.DEVICE_READ,
    ("POST", "/v1/devices/{device_id}/commands"): Scope.COMMAND_SEND,
    ("GET", "/v1/devices/{device_id}/commands/{command_id}"): Scope.DEVICE_READ,
    ("DELETE", "/v1/devices/{device_id}/commands/{command_id}"): Scope.COMMAND_SEND,
    ("GET", "/v1/commands"): DEVICE_KEY,
    ("PUT", "/v1/commands/{command_id}/snapshot"): DEVICE_KEY,
    ("GET", "/v1/devices/{device_id}/attempts"): Scope.DEVICE_READ,
    ("GET", "/v1/devices/{device_id}/reports"): Scope.DEVICE_READ,
    ("POST", "/v1/devices/{device_id}/provisioning"): Scope.DEVICE_UPDATE,
    ("POST", "/v1/devices/{device_id}/keys/rotate"): Scope.DEVICE_UPDATE,
    ("GET", "/v1/provisioning-tokens"): Scope.TOKEN_READ,
    ("POST", "/v1/provisioning-tokens"): Scope.TOKEN_WRITE,
    ("GET", "/v1/provisioning-tokens/{token_id}"): Scope.TOKEN_READ,
    ("DELETE", "/v1/provisioning-tokens/{token_id}"): Scope.TOKEN_WRITE,
    ("GET", "/v1/virtual-devices"): Scope.DEVICE_READ,
    ("POST", "/v1/virtual-devices"): Scope.DEVICE_UPDATE,
    ("GET", "/v1/virtual-devices/{device_id}"): Scope.DEVICE_READ,
    ("DELETE", "/v1/virtual-devices/{device_id}"): Scope.DEVICE_DELETE,
    ("POST", "/v1/virtual-devices/{device_id}/drive"): Scope.DEVICE_UPDATE,
    ("GET", "/v1/workspaces"): Scope.WORKSPACE_ADMIN,
    ("POST", "/v1/workspaces"): Scope.WORKSPACE_ADMIN,
    ("GET", "/v1/workspaces/{slug}"): Scope.WORKSPACE_ADMIN,
    ("PATCH", "/v1/workspaces/{slug}"): Scope.WORKSPACE_ADMIN,
    ("GET", "/v1/stream"): Scope.DEVICE_READ,
    ("GET", "/v1/audit"): Scope.AUDIT_READ,
    ("GET", "/v1/server-key"): PUBLIC,
    ("GET", "/v1/openapi.json"): PUBLIC,
    ("GET", "/v1/docs"): PUBLIC,
    ("GET", "/v1/docs/start.js"): PUBLIC,
}
