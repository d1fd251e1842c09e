"""What a virtual device remembers: rows not yet reported, and a report not yet acknowledged a lane.

An agent keeps this on disk. Here it is a few KiB of memory, so nothing that was acknowledged is
kept to be sent again to a server that was set back.
"""

import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from moorage_agent import bodies, clock
from moorage_agent.messages import BACKFILL, LIVE

MOST_ROWS = 400


class Row(NamedTuple):
    """Something that was gathered: which part of a report it belongs to, when, and what."""

    part: str
    at: clock.Instant
    content: dict[str, Any]


class Waiting(NamedTuple):
    """A report that was made and is not acknowledged."""

    sequence: int
    chain: str
    previous: str
    report: dict[str, Any]
    body: bytes
    at: clock.Instant


@dataclass(slots=True)
class Lane:
    """One ordered stream of reports: its place in its epoch's chain, and what waits."""

    epoch: str
    chain: str
    sequence: int = 0
    waiting: Waiting | None = None
    sendings: int = 0
    continues: dict[str, Any] | None = None


class Proof(NamedTuple):
    """What the server acknowledged last of an epoch: it holds all up to there, if it holds that."""

    sequence: int
    chain: str


class Place(NamedTuple):
    """How far an epoch of a device came, as the server's ledger has it."""

    epoch: str
    store: str | None
    backfill: bool
    sequence: int
    chain: str


@dataclass(slots=True)
class Memory:
    """The memory of one device."""

    store: str = field(default_factory=lambda: uuid.uuid4().hex)
    lanes: dict[str, Lane] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    proofs: dict[str, Proof] = field(default_factory=dict)
    let_go: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Begin an epoch in each lane that has none."""
        for name in (LIVE, BACKFILL):
            if name not in self.lanes:
                self.lanes[name] = _fresh()

    @classmethod
    def going_on(cls, places: Iterable[Place]) -> "Memory":
        """Return a memory that goes on where the last live and the last backfill epoch end."""
        memory = cls()
        for place in places:
            name = BACKFILL if place.backfill else LIVE
            memory.lanes[name] = Lane(place.epoch, place.chain, place.sequence)
            if not place.backfill and place.store is not None:
                memory.store = place.store
        return memory

    def add(self, rows: list[Row]) -> int:
        """Keep rows; return how many of the oldest were let go for them."""
        self.rows += rows
        over = self.rows[:-MOST_ROWS]
        if over:
            del self.rows[: len(over)]
            self.let_go.update(row.part for row in over)
        return len(over)

    def has_before(self, steady: float) -> bool:
        """Whether a row from before that moment waits."""
        return bool(self.rows) and self.rows[0].at.steady < steady

    def compose(
        self, name: str, head: dict[str, Any], now: clock.Instant, *, past_before: float
    ) -> Waiting:
        """Make a lane's next report of the head and the rows that belong there."""
        past = name == BACKFILL
        taken = [row for row in self.rows if (row.at.steady < past_before) is past]
        self.rows = [row for row in self.rows if (row.at.steady < past_before) is not past]
        report = dict(head, id=bodies.new_id(now.wall))
        for row in taken:
            wall = now.wall + row.at.steady - now.steady
            report.setdefault(row.part, []).append({"at": clock.rfc3339(wall), **row.content})
        if past:
            report["backfill"] = True
        elif self.let_go:
            report["dropped"] = dict(self.let_go)
            self.let_go.clear()
        return self._append(name, report, now)

    def acknowledge(self, name: str) -> None:
        """Note that the server has the report of a lane."""
        lane = self.lanes[name]
        if lane.waiting is not None:
            self.proofs[lane.epoch] = Proof(lane.waiting.sequence, lane.waiting.chain)
        lane.waiting = None

    def empty(self, name: str) -> bool:
        """Put an empty report in the place of one that no server takes; False if it was empty."""
        lane = self.lanes[name]
        waiting = lane.waiting
        if waiting is None or not any(part in waiting.report for part in bodies.CONTENT):
            return False
        bare = bodies.emptied(waiting.report, waiting.at.wall)
        lane.sequence, lane.chain = waiting.sequence - 1, waiting.previous
        self._append(name, bare, waiting.at)
        return True

    def resolve_fork(self, name: str, sequence: int, chain: str) -> bool:
        """Go on after a fork; return whether the server's place is the one before what waits.

        Otherwise this becomes a new store with new epochs, and what waits goes there with its id.
        """
        waiting = self.lanes[name].waiting
        if waiting is not None and (sequence, chain) == (waiting.sequence - 1, waiting.previous):
            return True
        self.store = uuid.uuid4().hex
        for other, lane in self.lanes.items():
            begun = lane.sequence > 0
            at = {"epoch": lane.epoch, "sequence": lane.sequence - (lane.waiting is not None)}
            self.lanes[other] = _fresh(at if begun and at["sequence"] else None)
            if lane.waiting is not None:
                self._append(other, lane.waiting.report, lane.waiting.at)
        return False

    def _append(self, name: str, report: dict[str, Any], at: clock.Instant) -> Waiting:
        lane = self.lanes[name]
        placed = bodies.placed(
            report,
            store=self.store,
            epoch=lane.epoch,
            sequence=lane.sequence + 1,
            previous=lane.chain,
        )
        if lane.continues is not None and lane.sequence == 0:
            placed["continues"] = lane.continues
        body = bodies.encode(placed)
        previous, lane.chain = lane.chain, bodies.chain_after(lane.chain, body)
        lane.sequence += 1
        lane.waiting = Waiting(lane.sequence, lane.chain, previous, placed, body, at)
        lane.sendings = 0
        return lane.waiting


def _fresh(continues: dict[str, Any] | None = None) -> Lane:
    epoch = uuid.uuid4().hex
    return Lane(epoch, bodies.first_chain(epoch), continues=continues)
