"""One epoch's chain, recomputed row by row."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from moorage.sdk.models import Epoch, ReportRecord


class Kind(StrEnum):
    """What a finding says happened."""

    LOST = "lost"
    ALTERED = "altered"


@dataclass(frozen=True)
class Finding:
    """One place where the ledger does not hold. ``sequence`` is the first report concerned."""

    kind: Kind
    epoch: str
    sequence: int
    detail: str


@dataclass(frozen=True)
class Span:
    """Reports of an epoch that were recomputed without a fault, first and last included.

    ``anchored`` is how far back the proof reaches: from the epoch's ``begin``, from a
    ``checkpoint``, or from the oldest ``row`` that is still kept, which is then taken as given.
    """

    epoch: str
    store: str | None
    backfill: bool
    first: int
    last: int
    since: datetime
    until: datetime
    anchored: str
    reports: int


def first_previous(epoch: str) -> str:
    """Return what stands before an epoch's first report."""
    return hashlib.sha256(epoch.encode()).hexdigest()


def next_chain(previous: str, digest: str) -> str:
    """Return the chain after a report."""
    return hashlib.sha256(f"{previous}:{digest}".encode()).hexdigest()


def by_arrival(epoch: str, rows: Sequence[ReportRecord]) -> list[ReportRecord] | None:
    """Return the rows in the order of their chain where that is not the order of their sequence.

    A simple sender claims no order, and its chain is that of arrival. None when the rows are not
    one whole chain from the epoch's begin, so that nothing missing can hide here.
    """
    if [row.sequence for row in rows] == list(range(1, len(rows) + 1)):
        return None
    left = sorted(rows, key=lambda row: (row.received_at, row.sequence))
    chain, ordered = first_previous(epoch), list[ReportRecord]()
    while left:
        at_once = [row for row in left if row.received_at == left[0].received_at]
        found = next((row for row in at_once if next_chain(chain, row.digest) == row.chain), None)
        if found is None:
            return None
        left.remove(found)
        ordered.append(found)
        chain = found.chain or ""
    return ordered


class Walk:
    """Goes through one epoch's rows, from anchor to anchor.

    ``claims`` are chain values said elsewhere than in the rows: (sequence, chain, who says so).
    """

    def __init__(
        self, epoch: Epoch, rows: Sequence[ReportRecord], claims: Sequence[tuple[int, str, str]]
    ) -> None:
        """Do it all."""
        self.spans: list[Span] = []
        self.findings: list[Finding] = []
        self.notes: list[str] = []
        self._epoch = epoch
        self._claims = claims
        self._good: list[ReportRecord] = []
        self._anchored = "row"
        chained = [row for row in rows if row.chain is not None]
        if len(chained) < len(rows):
            self.notes.append(
                f"epoch {epoch.epoch}: {len(rows) - len(chained)} reports came without a chain; "
                "there is no order to prove"
            )
        if chained:
            arrived = by_arrival(epoch.epoch, chained)
            if arrived is None:
                self._rows(chained)
            else:
                self._arrived(arrived)
            self._close()
        elif not rows:
            self._without_rows()

    def _rows(self, rows: Sequence[ReportRecord]) -> None:
        before = self._before(rows[0].sequence)
        for row in rows:
            last = self._good[-1].sequence if self._good else None
            if last is not None and row.sequence != last + 1:
                self._gap(last, row)
                before = None
            chain = row.chain or ""
            if before is not None and next_chain(before, row.digest) != chain:
                self._find(Kind.ALTERED, row.sequence, "its chain does not follow from its digest")
                self._close()
                self._anchored = "row"
            self._check_claims(row.sequence, chain)
            self._good.append(row)
            before = chain
        self._check_tail(rows[-1].sequence)

    def _arrived(self, rows: Sequence[ReportRecord]) -> None:
        self.notes.append(
            f"epoch {self._epoch.epoch}: its reports claim no order, as simple senders do; none "
            "that came was lost or altered here, whether all were sent is not proved"
        )
        self._anchored = "begin"
        self._good = list(rows)
        chains = {row.chain for row in rows}
        for sequence, chain, who in self._claims:
            if chain not in chains:
                self._find(Kind.ALTERED, sequence, f"no row has the chain that {who} says")

    def _before(self, first: int) -> str | None:
        """Return the chain the first row must follow, as far as anything still says."""
        if first == 1:
            self._anchored = "begin"
            return first_previous(self._epoch.epoch)
        self.notes.append(
            f"epoch {self._epoch.epoch}: rows before sequence {first} are no longer kept"
        )
        for sequence, chain, _ in self._claims:
            if sequence == first - 1:
                self._anchored = "checkpoint"
                return chain
        return None

    def _gap(self, last: int, row: ReportRecord) -> None:
        if row.sequence <= last:
            self._find(Kind.ALTERED, row.sequence, "there are two rows of this sequence")
        else:
            missing = row.sequence - last - 1
            self._find(Kind.LOST, last + 1, f"{missing} rows are missing before {row.sequence}")
        self._close()
        self._anchored = "row"

    def _check_claims(self, sequence: int, chain: str) -> None:
        for at, claimed, who in self._claims:
            if at == sequence and claimed != chain:
                self._find(Kind.ALTERED, sequence, f"its chain is not what {who} says")

    def _check_tail(self, last: int) -> None:
        for at, _, who in self._claims:
            if at > last:
                self._find(Kind.LOST, last + 1, f"{who} is at {at}, the rows end at {last}")
                return
        if self._epoch.sequence > last:
            self._find(
                Kind.LOST, last + 1, f"the epoch is at {self._epoch.sequence}, rows end at {last}"
            )

    def _without_rows(self) -> None:
        at = [one.at for one in self._epoch.checkpoints]
        reach = f"; {len(at)} checkpoints from {min(at)} to {max(at)} are" if at else ""
        self.notes.append(f"epoch {self._epoch.epoch}: its rows are no longer kept{reach}")

    def _find(self, kind: Kind, sequence: int, detail: str) -> None:
        self.findings.append(Finding(kind, self._epoch.epoch, sequence, detail))

    def _close(self) -> None:
        if not self._good:
            return
        times = [row.received_at for row in self._good]
        self.spans.append(
            Span(
                epoch=self._epoch.epoch,
                store=self._epoch.store,
                backfill=self._epoch.backfill,
                first=min(row.sequence for row in self._good),
                last=max(row.sequence for row in self._good),
                since=min(times),
                until=max(times),
                anchored=self._anchored,
                reports=len(self._good),
            )
        )
        self._good = []
