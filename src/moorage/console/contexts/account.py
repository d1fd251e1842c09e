"""What the page of the own account shows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Browser:
    """One session: where somebody is signed in."""

    id: str
    agent: str
    address: str
    began_at: datetime
    last_used_at: datetime
    is_this: bool


@dataclass(frozen=True)
class SecondFactor:
    """Where the second factor stands.

    ``secret`` and ``qr``, an image as a data address, are of one that is being set up; ``codes``
    are recovery codes just made. Both are shown this once.
    """

    is_on: bool
    codes_left: int
    has_password: bool
    secret: str | None = field(default=None, repr=False)
    qr: str | None = field(default=None, repr=False)
    codes: Sequence[str] = field(default=(), repr=False)


@dataclass(frozen=True)
class Outside:
    """The provider of identities; ``linked_at`` is since when the account is connected with it."""

    title: str
    linked_at: datetime | None


@dataclass(frozen=True)
class Account:
    """The page."""

    name: str
    email: str
    has_password: bool
    shortest_password: int
    factor: SecondFactor
    browsers: Sequence[Browser]
    outside: Outside | None
