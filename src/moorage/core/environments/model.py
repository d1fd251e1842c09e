"""What an environment is, and what is asked of the manager that has it."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class State(StrEnum):
    """Where an environment stands.

    ``reserved → ready`` when it is made before its device; ``pending → ready`` or ``refused`` when
    after. ``ending`` is the way out of all of them.
    """

    RESERVED = "reserved"
    PENDING = "pending"
    READY = "ready"
    REFUSED = "refused"
    ENDING = "ending"


class Access(StrEnum):
    """What a call into an environment does there."""

    READ = "read"
    MANAGE = "manage"


@dataclass(frozen=True)
class Environment:
    """The environment of one device.

    Attributes:
        device_id: whose it is; the device may not be there yet, or not any more.
        workspace_id: whose device that is.
        live: its mode.
        state: where it stands.
        endpoint_id: the manager's number for it, once it is known.
        error: why it is not ready, for people; None when there is nothing to say.
        edge_key: what the device's agent joins it with, a secret.
        handed_over_at: when the device was given the key, or None.
        tries: calls that failed since it was asked for.

    """

    device_id: str
    workspace_id: str
    live: bool
    state: State
    endpoint_id: int | None
    error: str | None
    edge_key: str | None = field(repr=False)
    handed_over_at: datetime | None
    tries: int


@dataclass(frozen=True)
class Made:
    """What a manager made, or found made already."""

    endpoint_id: int
    edge_key: str = field(repr=False)


class ManagerUnavailable(Exception):
    """The manager did not do it this time; it may the next. The text is for people."""


class ManagerRefused(Exception):
    """The manager will not do it as it is set up; asking again is of no use."""


class Manager(Protocol):
    """Whoever has environments. No call of it is made inside a transaction.

    Raises:
        ManagerUnavailable: try again later.
        ManagerRefused: something must be changed first.

    """

    async def make(self, name: str) -> Made:
        """Make the environment of a name, or find the one that was made before."""
        ...

    async def remove(self, name: str, endpoint_id: int | None) -> None:
        """Remove it; one that is not there counts as removed. No id: what has the name, if any."""
        ...

    async def health(self) -> str | None:
        """Return None when all is well, else a sentence that says what is not."""
        ...
