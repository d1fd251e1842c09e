"""What the page of a workspace's audit shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Asked:
    """The filter as it was typed, and the times it means."""

    actor: str
    action: str
    entity: str
    since: str
    until: str
    after: str | None
    start: datetime | None
    end: datetime | None

    @property
    def typed(self) -> dict[str, str]:
        """The parts as they stand in an address."""
        parts = ("actor", "action", "entity", "since", "until")
        return {name: getattr(self, name) for name in parts}


@dataclass(frozen=True)
class Change:
    """One entry. ``who`` is a person's name where it is known; ``device`` an address, or None."""

    at: datetime
    actor: str
    who: str | None
    action: str
    entity: str
    device: str | None
    details: str


@dataclass(frozen=True)
class Audit:
    """The page. ``first`` and ``next`` are addresses of other pages; ``cli`` asks for the same."""

    asked: Asked
    rows: Sequence[Change]
    first: str | None
    next: str | None
    export: str
    query: str
    cli: str
    sdk: str
