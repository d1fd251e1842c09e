"""What the page of a workspace's API keys shows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class KeyRow:
    """One key, never its text. ``scopes`` None means all; ``state`` is in use, disabled, revoked.

    ``own`` is the address that its actions stand below.
    """

    id: str
    name: str
    prefix: str
    scopes: Sequence[str] | None
    created_at: datetime
    created_by: str
    state: str
    protected: bool
    own: str


@dataclass(frozen=True)
class Made:
    """A key just made, shown this once. ``elsewhere``: it is of the other mode."""

    name: str
    mode: str
    elsewhere: bool
    text: str = field(repr=False)


@dataclass(frozen=True)
class Keys:
    """The page. ``first`` and ``next`` are addresses of other pages, or None."""

    rows: Sequence[KeyRow]
    scopes: Sequence[str]
    modes: Sequence[tuple[str, str]]
    mode: str
    first: str | None
    next: str | None
    may_create: bool
    may_update: bool
    may_revoke: bool
    made: Made | None = None
