"""What the page of a workspace's and its server's health shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Disk:
    """How full the storage is. ``state`` is ok, soon, full or unknown, ``words`` say it.

    None stands for what is not known, or not limited.
    """

    state: str
    words: str
    used_bytes: int
    most_bytes: int | None
    free_bytes: int | None
    growth: str | None


@dataclass(frozen=True)
class Absence:
    """A span in which the server heard no device."""

    began_at: datetime
    ended_at: datetime
    words: str


@dataclass(frozen=True)
class Server:
    """The server, for whoever owns the workspace; counts are of the process that answered.

    ``again`` asks for the same, and for the rate since. ``rate`` is in reports a second.
    """

    version: str
    disk: Disk | None
    queued: int
    committed: int
    refused: int
    refused_for_room: int
    rate: float | None
    again: str
    warnings: Sequence[str]
    environments: str
    environments_ok: bool
    absences: Sequence[Absence]


@dataclass(frozen=True)
class Version:
    """An agent's version and how many devices have it; None where none told."""

    version: str | None
    count: int
    newest: bool


@dataclass(frozen=True)
class Health:
    """The page. ``server`` is None for who does not own the workspace."""

    totals: Sequence[tuple[str, int]]
    versions: Sequence[Version]
    handed_out: str
    server: Server | None
