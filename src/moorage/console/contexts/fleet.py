"""What the fleet page shows, and what was asked of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from moorage.core.attention import Cause
from moorage.core.devices import Filter, Sort
from moorage.core.views import SavedView

ATTENTION, ALL = "attention", "all"


@dataclass(frozen=True)
class Asked:
    """The state of the page as its address has it.

    ``show`` is None where the address leaves it to us. ``after`` and ``before`` are cursors; of
    both, one at most.
    """

    wanted: Filter
    show: str | None
    cause: Cause | None
    sort: Sort
    after: str | None
    before: str | None
    columns: tuple[str, ...]

    def query(self, **changes: Any) -> dict[str, Any]:
        """Return the parts of an address for this state with changes; None takes a part away.

        A page further on is of the state it was found in, so a change begins at the first.
        """
        state: dict[str, Any] = {
            "show": self.show,
            "status": sorted(str(one) for one in self.wanted.statuses),
            "cause": self.cause and str(self.cause),
            "type": self.wanted.type,
            "tag": list(self.wanted.tags),
            "q": self.wanted.text,
            "approval": self.wanted.approval and str(self.wanted.approval),
            "sort": None if self.sort is Sort.CREATED_AT_DOWN else str(self.sort),
            "columns": list(self.columns),
        }
        return {**state, **changes}


@dataclass(frozen=True)
class Card:
    """A total that filters when clicked."""

    key: str
    title: str
    count: int
    query: Mapping[str, Any]
    active: bool


@dataclass(frozen=True)
class Chip:
    """A filter that is set, and the state without it."""

    label: str
    query: Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """A column that is shown; ``sort`` is the state sorted by it, ``sorted`` up or down or not."""

    key: str
    title: str
    sort: Mapping[str, Any] | None
    sorted: str | None


@dataclass(frozen=True)
class Row:
    """One device. ``why`` says what it needs somebody for."""

    id: str
    name: str
    type: str
    status: str
    reason: str
    why: Sequence[str]
    tags: Sequence[str]
    hostname: str
    reference: str
    agent: str
    os: str
    approval: str
    last_contact_at: datetime | None
    created_at: datetime


@dataclass(frozen=True)
class Rows:
    """Rows to show, and in which columns."""

    rows: Sequence[Row]
    columns: Sequence[Column]
    now: datetime


@dataclass(frozen=True)
class Fleet:
    """The whole page. ``query`` is the state as it is, for links that keep it."""

    table: Rows
    cards: Sequence[Card]
    causes: Sequence[Card]
    chips: Sequence[Chip]
    choices: Sequence[tuple[str, str, bool]]
    query: Mapping[str, Any]
    previous: Mapping[str, Any] | None
    next: Mapping[str, Any] | None
    attention: bool
    matching: int
    total: int
    may_change: bool
    text: str


@dataclass(frozen=True)
class Filters:
    """What there is to filter by: values, how many devices have each, and the state with it."""

    types: Sequence[tuple[str, int, Mapping[str, Any]]]
    tags: Sequence[tuple[str, int, Mapping[str, Any]]]
    approvals: Sequence[tuple[str, Mapping[str, Any]]]


@dataclass(frozen=True)
class Views:
    """The views somebody saved, and the state that could be saved now."""

    views: Sequence[SavedView]
    query: str
