"""Proving from the ledger that no report was lost, added or altered: pure functions.

``chain`` after a report is hex SHA-256 of ``previous + ":" + digest``, the first ``previous`` hex
SHA-256 of the epoch's text. So one chain value stands for every report before it, in order. The
server keeps a row per report for 48 hours and hourly checkpoints for longer; the rows between two
anchors (the epoch's begin, a checkpoint, the head) are recomputed here.

What this cannot see: a server that forged digests, chains, checkpoints and head alike. For that,
give ``expected`` a chain value the device itself remembers.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import Any

from moorage.sdk.decode import decode
from moorage.sdk.errors import UnexpectedAnswer
from moorage.sdk.models import Epoch, Point, ReportRecord
from moorage.sdk.requests import Page


class Kind(StrEnum):
    """What a finding says happened."""

    LOST = "lost"
    ALTERED = "altered"
    BROKEN_OFF = "broken_off"


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


@dataclass(frozen=True)
class Verification:
    """What was proved, what was found, and what no rows are left for."""

    spans: tuple[Span, ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


@dataclass(frozen=True)
class Ledger:
    """All that a server keeps of a device's reports."""

    epochs: tuple[Epoch, ...]
    rows: tuple[ReportRecord, ...]


def read(pages: Iterable[Page[ReportRecord]]) -> Ledger:
    """Gather the pages of ``devices.reports(id).pages()``.

    Reports arrive while it is read: an epoch's head is taken as the first page told it, rows that
    came later only add to it.
    """
    epochs: dict[str, Epoch] = {}
    rows: list[ReportRecord] = []
    for page in pages:
        listed = page.rest.get("epochs", [])
        if not isinstance(listed, list):
            raise UnexpectedAnswer("the server's answer has no list of epochs")
        for one in listed:
            epoch = decode(Epoch, one)
            epochs.setdefault(epoch.epoch, epoch)
        rows += page.items
    return Ledger(tuple(epochs.values()), tuple(rows))


def first_previous(epoch: str) -> str:
    """Return what stands before an epoch's first report."""
    return hashlib.sha256(epoch.encode()).hexdigest()


def next_chain(previous: str, digest: str) -> str:
    """Return the chain after a report."""
    return hashlib.sha256(f"{previous}:{digest}".encode()).hexdigest()


def verify(ledger: Ledger, expected: Mapping[Point, str] | None = None) -> Verification:
    """Recompute every chain. ``expected`` are chain values known from elsewhere, such as a device.

    Pure: neither clock nor network.
    """
    by_epoch: dict[str, list[ReportRecord]] = {one.epoch: [] for one in ledger.epochs}
    stray: dict[str, ReportRecord] = {}
    for row in ledger.rows:
        if row.epoch in by_epoch:
            by_epoch[row.epoch].append(row)
        else:
            stray.setdefault(row.epoch, row)
    spans: list[Span] = []
    findings = [
        Finding(Kind.ALTERED, name, row.sequence, "rows of an epoch the server does not list")
        for name, row in stray.items()
    ]
    notes: list[str] = []
    for epoch in sorted(ledger.epochs, key=lambda one: (one.began_at, one.epoch)):
        rows = sorted(by_epoch[epoch.epoch], key=lambda row: row.sequence)
        walk = _Walk(epoch, rows, _claims(epoch, expected or {}))
        spans += walk.spans
        findings += walk.findings
        notes += walk.notes
    findings += _broken_off(ledger.epochs)
    return Verification(tuple(spans), tuple(findings), tuple(notes))


def _claims(epoch: Epoch, expected: Mapping[Point, str]) -> list[tuple[int, str, str]]:
    """Chain values said elsewhere than in the rows: (sequence, chain, who says so)."""
    said = [(one.sequence, one.chain, "the checkpoint") for one in epoch.checkpoints]
    if epoch.chain is not None:
        said.append((epoch.sequence, epoch.chain, "the head of the epoch"))
    said += [
        (point.sequence, chain, "the value given")
        for point, chain in expected.items()
        if point.epoch == epoch.epoch
    ]
    return said


class _Walk:
    """Goes through one epoch's rows, from anchor to anchor."""

    def __init__(
        self, epoch: Epoch, rows: Sequence[ReportRecord], claims: Sequence[tuple[int, str, str]]
    ) -> None:
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
            self._rows(chained)
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
        first, last = self._good[0], self._good[-1]
        times = [row.received_at for row in self._good]
        self.spans.append(
            Span(
                epoch=self._epoch.epoch,
                store=self._epoch.store,
                backfill=self._epoch.backfill,
                first=first.sequence,
                last=last.sequence,
                since=min(times),
                until=max(times),
                anchored=self._anchored,
            )
        )
        self._good = []


def _broken_off(epochs: Sequence[Epoch]) -> list[Finding]:
    """Find epochs that begin anew without saying what they continue, and forks."""
    known: dict[str, Epoch] = {one.epoch: one for one in epochs}
    found: list[Finding] = []
    for backfill in (False, True):
        line = sorted((e for e in epochs if e.backfill is backfill), key=lambda e: e.began_at)
        for before, epoch in pairwise(line):
            if epoch.continues is None and not backfill:
                found.append(_break(epoch, f"it does not say that it continues {before.epoch}"))
    for epoch in epochs:
        goes_on = epoch.continues
        old = known.get(goes_on.epoch) if goes_on else None
        if goes_on is not None and old is not None and old.sequence < goes_on.sequence:
            detail = f"it continues {old.epoch} from {goes_on.sequence}, of which {old.sequence}"
            found.append(_break(epoch, f"{detail} reports came"))
    return found


def _break(epoch: Epoch, detail: str) -> Finding:
    return Finding(Kind.BROKEN_OFF, epoch.epoch, 1, detail)


def summary(verification: Verification) -> dict[str, Any]:
    """Return from when to when live reports are proved without a gap, or None for both."""
    live = [span for span in verification.spans if not span.backfill]
    return {
        "holds": verification.holds,
        "since": min((span.since for span in live), default=None),
        "until": max((span.until for span in live), default=None),
        "reports": sum(span.last - span.first + 1 for span in verification.spans),
    }
