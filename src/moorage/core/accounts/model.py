"""What an account, a member, a session and a link are."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from moorage.core.caller import Caller, Scope

# A session ends when nobody used it for so long, and in any case after the longer time.
SESSION_IDLE = timedelta(hours=24)
SESSION_LONGEST = timedelta(days=14)
# Its last use is written down no more often than this: each page would else be a write.
SESSION_NOTED_EVERY = timedelta(minutes=5)


class Role(StrEnum):
    """What a member of a workspace may do.

    An owner may do all. An operator runs the fleet, but lets nobody in: no keys, no people, no
    secrets to read, no shell on a device. A viewer looks, and neither at secrets nor at keys.
    """

    OWNER = "owner"
    OPERATOR = "operator"
    VIEWER = "viewer"

    @property
    def scopes(self) -> frozenset[Scope] | None:
        """The scopes of the role; None means all."""
        return _SCOPES[self]


_SCOPES: dict[Role, frozenset[Scope] | None] = {
    Role.OWNER: None,
    # What each of these opens outlives the session, or amounts to more than running a fleet.
    Role.OPERATOR: frozenset(Scope)
    - {
        Scope.API_KEY_CREATE,
        Scope.API_KEY_UPDATE,
        Scope.API_KEY_REVOKE,
        Scope.ENVIRONMENT_MANAGE,
        Scope.CONFIG_READ_SECRETS,
        Scope.WORKSPACE_ADMIN,
    },
    Role.VIEWER: frozenset(
        {Scope.DEVICE_READ, Scope.CONFIG_READ, Scope.TOKEN_READ, Scope.AUDIT_READ}
    ),
}


class LinkKind(StrEnum):
    """What a link, or another single-use text, is good for."""

    SET_UP = "set_up"
    INVITE = "invite"
    RESET = "reset"
    # The password was right and the code is still to come; no address of its own.
    SECOND_STEP = "second_step"


@dataclass(frozen=True)
class Account:
    """A person who signs in. ``email`` is in lower case and tells accounts apart."""

    id: str
    email: str
    name: str
    created_at: datetime
    disabled_at: datetime | None
    has_password: bool
    has_totp: bool

    @property
    def actor(self) -> str:
        """How the audit names it."""
        return f"user:{self.id}"


@dataclass(frozen=True)
class Member:
    """An account in a workspace."""

    account: Account
    role: Role
    since: datetime


@dataclass(frozen=True)
class Place:
    """A workspace that an account is a member of."""

    workspace_id: str
    slug: str
    name: str
    role: Role


@dataclass(frozen=True)
class Origin:
    """Where a request came from: its address, and what the browser calls itself."""

    address: str
    agent: str = ""


@dataclass(frozen=True)
class Session:
    """Somebody signed in, at work in one mode of one workspace.

    ``csrf`` is what a form must bring along; it follows from the session's text.
    """

    id: str
    account: Account
    workspace_id: str
    live: bool
    role: Role
    csrf: str = field(repr=False)
    created_at: datetime
    last_used_at: datetime
    address: str
    agent: str

    @property
    def caller(self) -> Caller:
        """The one who asks."""
        return Caller(self.workspace_id, self.live, self.account.actor, self.role.scopes)

    @property
    def expires_at(self) -> datetime:
        """When it ends unless it is used before; never later than its longest."""
        return min(self.last_used_at + SESSION_IDLE, self.created_at + SESSION_LONGEST)

    def is_to_note(self, now: datetime) -> bool:
        """Whether its last use is so long ago that this one is worth writing down."""
        return now - self.last_used_at >= SESSION_NOTED_EVERY


@dataclass(frozen=True)
class NewSession:
    """A session just made, with its text for the cookie: given this once, kept nowhere."""

    session: Session
    text: str = field(repr=False)


@dataclass(frozen=True)
class SecondStep:
    """The password was right; ``text`` and a code together sign in, for a few minutes."""

    text: str = field(repr=False)


@dataclass(frozen=True)
class Link:
    """A link that was handed out and waits to be used. ``email`` is whom it is for, if known."""

    id: str
    kind: LinkKind
    workspace_id: str | None
    account_id: str | None
    email: str | None
    role: Role | None
    created_at: datetime
    created_by: str
    expires_at: datetime


@dataclass(frozen=True)
class NewLink:
    """A link just made, with its text: shown once, kept nowhere."""

    link: Link
    text: str = field(repr=False)


@dataclass(frozen=True)
class Enrolment:
    """A second factor about to be set up: the secret to type, the address to draw as a QR code."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)
