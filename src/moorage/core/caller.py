"""Who asks, and what it may; and the proof that a device was looked up for that caller."""

from dataclasses import dataclass
from enum import StrEnum

from moorage.core.errors import DomainError, Kind


class Scope(StrEnum):
    """What a key may be allowed to do."""

    DEVICE_READ = "device:read"
    DEVICE_UPDATE = "device:update"
    DEVICE_DELETE = "device:delete"
    CONFIG_READ = "config:read"
    CONFIG_READ_SECRETS = "config:read_secrets"
    CONFIG_WRITE = "config:write"
    COMMAND_SEND = "command:send"
    COMMAND_REBOOT = "command:reboot"
    # Into what runs on a device, by way of its environment: it can amount to root there.
    ENVIRONMENT_MANAGE = "portainer:manage"
    TOKEN_READ = "token:read"  # noqa: S105 - a scope
    TOKEN_WRITE = "token:write"  # noqa: S105 - a scope
    API_KEY_READ = "api-key:read"
    API_KEY_CREATE = "api-key:create"
    API_KEY_UPDATE = "api-key:update"
    API_KEY_REVOKE = "api-key:revoke"
    AUDIT_READ = "audit:read"
    WORKSPACE_ADMIN = "workspace:admin"


@dataclass(frozen=True)
class Caller:
    """The one who asks.

    Attributes:
        workspace_id: whose things it may see.
        live: the mode it works in; test callers never see a live device, nor the other way round.
        actor: for the audit: ``key:key_…``, ``user:usr_…``, ``device:dev_…``, ``system:bootstrap``.
        scopes: None means all, an empty set none.
        key_id: the key it came with, or None (somebody signed in, or the server itself).
        device_id: set for a device's own key; it may do only what a device does.

    """

    workspace_id: str
    live: bool
    actor: str
    scopes: frozenset[Scope] | None = None
    key_id: str | None = None
    device_id: str | None = None

    def may(self, scope: Scope) -> bool:
        """Whether the caller holds the scope."""
        return self.device_id is None and (self.scopes is None or scope in self.scopes)

    def require(self, scope: Scope) -> None:
        """Raise unless the caller holds the scope.

        Raises:
            DomainError: ``forbidden`` for a device's key, ``missing_scope`` for an owner's.

        """
        if self.device_id is not None:
            raise DomainError(
                Kind.FORBIDDEN,
                "device_key_not_allowed",
                "a device's key works for the device's own routes only; use a workspace key",
            )
        if not self.may(scope):
            lacking = (
                f"your role in this workspace lacks the scope {scope}; ask an owner"
                if self.actor.startswith("user:")
                else f"this key lacks the scope {scope}; use a key that has it"
            )
            raise DomainError(
                Kind.MISSING_SCOPE, "missing_scope", lacking, extra={"scope": str(scope)}
            )

    def require_device(self) -> str:
        """Return the device's id, or raise for a caller that is no device.

        Raises:
            DomainError: ``forbidden``.

        """
        if self.device_id is None:
            raise DomainError(
                Kind.FORBIDDEN,
                "device_key_required",
                "this route is for a device's own key (adk_...)",
            )
        return self.device_id


@dataclass(frozen=True)
class DeviceRef:
    """A device a caller was found to be allowed to see. Only ``devices.get`` hands these out."""

    device_id: str
    workspace_id: str
    live: bool
