"""What the page of a workspace's provisioning tokens shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class TokenRow:
    """One token, never its text. ``state`` is usable, used up, expired or revoked."""

    id: str
    name: str
    state: str
    use_count: int
    max_uses: int | None
    policy: str
    tags: Sequence[str]
    type: str | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True)
class Tokens:
    """The page. ``first`` and ``next`` are addresses of other pages, or None."""

    rows: Sequence[TokenRow]
    first: str | None
    next: str | None
    may_write: bool
