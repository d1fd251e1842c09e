"""What the page of a workspace's people shows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Person:
    """One member."""

    id: str
    name: str
    email: str
    role: str
    since: datetime
    has_totp: bool
    is_disabled: bool
    is_me: bool


@dataclass(frozen=True)
class Invitation:
    """One invitation that waits to be accepted."""

    id: str
    email: str
    role: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True)
class Invitations:
    """All of them; ``address`` is the link of one just made, shown this once."""

    waiting: Sequence[Invitation]
    roles: Sequence[tuple[str, str]]
    address: str | None = field(default=None, repr=False)
    made_for: str = ""


@dataclass(frozen=True)
class People:
    """The page. ``roles`` are names and what each may do."""

    members: Sequence[Person]
    roles: Sequence[tuple[str, str]]
    invitations: Invitations
