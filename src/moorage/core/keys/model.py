"""What a key is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from moorage.core.caller import Caller, Scope


@dataclass(frozen=True)
class Key:
    """A key as it may be shown: never its text.

    ``prefix`` is the start of the text, enough to recognise it by. ``scopes`` None means all.
    ``device_id`` is set for a device's own key. A disabled key is refused until it is enabled
    again; a protected one cannot be disabled, revoked or rolled. ``metadata`` is the owner's own.
    """

    id: str
    workspace_id: str
    live: bool
    name: str
    prefix: str
    scopes: frozenset[Scope] | None
    device_id: str | None
    created_at: datetime
    created_by: str
    revoked_at: datetime | None
    disabled_at: datetime | None = None
    protected: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def works(self) -> bool:
        """Whether it opens anything at present."""
        return self.revoked_at is None and self.disabled_at is None

    @property
    def caller(self) -> Caller:
        """The one who asks when this key is shown."""
        actor = f"device:{self.device_id}" if self.device_id else f"key:{self.id}"
        return Caller(self.workspace_id, self.live, actor, self.scopes, self.id, self.device_id)


@dataclass(frozen=True)
class NewKey:
    """A key just made, with its text: shown once, kept nowhere."""

    key: Key
    text: str = field(repr=False)
