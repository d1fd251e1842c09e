"""What the server answers about who may what: keys, tokens, workspaces, the audit.

As in ``models``, what is shown once is a field that no repr repeats.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """A workspace key, never its text. ``scopes`` None means all."""

    id: str
    name: str
    mode: str
    prefix: str
    scopes: tuple[str, ...] | None = None
    created_at: datetime
    created_by: str
    revoked_at: datetime | None = None
    disabled: bool = False
    protected: bool = False


@dataclass(frozen=True, kw_only=True)
class ApiKeyMade(ApiKey):
    """A key just made. ``key`` is its text, shown once; None when ``replayed``."""

    key: str | None = field(default=None, repr=False)
    replayed: bool = False


@dataclass(frozen=True, kw_only=True)
class ProvisioningToken:
    """A token that many devices enrol with, never its text.

    ``policy`` says what becomes of hardware that is known already: reject, replace or new.
    ``max_uses`` None is any number, ``expires_at`` None is never. ``tags`` and ``type`` are for
    each device it makes.
    """

    id: str
    name: str
    live_mode: bool
    policy: str
    single_use: bool = False
    max_uses: int | None = None
    use_count: int
    tags: tuple[str, ...] = ()
    type: str | None = None
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class ProvisioningTokenMade(ProvisioningToken):
    """A token just made, shown once; its texts are None when ``replayed``.

    ``setup_command`` is the line to paste on a device; None as well from a server that does not
    make it.
    """

    token: str | None = field(default=None, repr=False)
    setup_command: str | None = field(default=None, repr=False)
    install_command: str | None = field(default=None, repr=False)
    replayed: bool = False


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """A workspace. ``features`` are the parts of the product it may use.

    ``retention`` is how many days each kind of rows is kept; ``retention_own`` names the kinds for
    which the workspace chose that itself.
    """

    id: str
    slug: str
    name: str
    features: tuple[str, ...] = ()
    retention: Mapping[str, float] = field(default_factory=dict)
    retention_own: tuple[str, ...] = ()
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class WorkspaceMade(Workspace):
    """A workspace just made with its first keys, live and test; None when ``replayed``."""

    api_key: str | None = field(default=None, repr=False)
    test_api_key: str | None = field(default=None, repr=False)
    replayed: bool = False


@dataclass(frozen=True, kw_only=True)
class ServerKey:
    """The public key that offline payloads are checked with: base64url of 32 bytes, unpadded."""

    algorithm: str
    public_key: str


@dataclass(frozen=True, kw_only=True)
class AuditEntry:
    """Who changed what."""

    id: str
    at: datetime
    actor: str
    action: str
    entity_id: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
