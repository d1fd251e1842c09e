"""Proving from the ledger that no report was lost, added or altered: pure functions.

``chain`` after a report is hex SHA-256 of ``previous + ":" + digest``, the first ``previous`` hex
SHA-256 of the epoch's text. So one chain value stands for every report before it, in order. The
server keeps a row per report for 48 hours and hourly checkpoints for longer; the rows between two
anchors (the epoch's begin, a checkpoint, the head) are recomputed here.

What this cannot see: a server that forged digests, chains, checkpoints and head alike. For that,
give ``expected`` a chain value the device itself remembers.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from moorage.sdk.chains import Finding, Kind, Span, Walk, first_previous, next_chain
from moorage.sdk.decode import decode
from moorage.sdk.errors import UnexpectedAnswer
from moorage.sdk.models import Epoch, Point, ReportRecord
from moorage.sdk.requests import Page

__all__ = [
    "Finding",
    "Kind",
    "Ledger",
    "Period",
    "Span",
    "Verification",
    "first_previous",
    "next_chain",
    "read",
    "verify",
]


@dataclass(frozen=True)
class Period:
    """Spans that continue each other: from ``since`` to ``until`` nothing was lost or altered."""

    since: datetime
    until: datetime
    reports: int
    backfill: bool
    epochs: tuple[str, ...]


@dataclass(frozen=True)
class Verification:
    """What was proved, what was found, and what cannot be said."""

    spans: tuple[Span, ...]
    periods: tuple[Period, ...]
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
    told_first: set[str] | None = None
    for page in pages:
        listed = page.rest.get("epochs", [])
        if not isinstance(listed, list):
            raise UnexpectedAnswer("the server's answer has no list of epochs")
        for one in listed:
            epoch = decode(Epoch, one)
            epochs.setdefault(epoch.epoch, epoch)
        rows += page.items
        told_first = told_first if told_first is not None else set(epochs)
    # An epoch that began meanwhile may stand before the place that was read already.
    there = {row.epoch for row in rows} | (told_first or set())
    return Ledger(tuple(one for one in epochs.values() if one.epoch in there), tuple(rows))


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
    # A ledger that has forgotten a whole epoch must not look sound to whoever remembers it.
    findings += [
        Finding(Kind.LOST, point.epoch, point.sequence, "the server has nothing of this epoch")
        for point in expected or {}
        if point.epoch not in by_epoch
    ]
    notes: list[str] = []
    oldest = min((row.received_at for row in ledger.rows), default=None)
    for epoch in sorted(ledger.epochs, key=lambda one: (one.began_at, one.epoch)):
        rows = sorted(by_epoch[epoch.epoch], key=lambda row: row.sequence)
        if not rows and oldest is not None and oldest < epoch.last_at:
            detail = "rows older than its last report are still kept, but none of its own"
            findings.append(Finding(Kind.LOST, epoch.epoch, epoch.sequence, detail))
            continue
        walk = Walk(epoch, rows, _claims(epoch, expected or {}))
        spans += walk.spans
        findings += walk.findings
        notes += walk.notes
    lost, seams = _seams(ledger.epochs)
    periods = _joined(spans, ledger.epochs)
    return Verification(tuple(spans), periods, (*findings, *lost), (*notes, *seams))


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


def _seams(epochs: Sequence[Epoch]) -> tuple[list[Finding], list[str]]:
    """Find what is missing between epochs, and where one began without going on from another."""
    known = {one.epoch: one for one in epochs}
    lost: list[Finding] = []
    notes: list[str] = []
    for number, epoch in enumerate(sorted(epochs, key=lambda one: one.began_at)):
        goes_on = epoch.continues
        if goes_on is None:
            if number and not epoch.backfill:
                notes.append(
                    f"epoch {epoch.epoch} began at {epoch.began_at} without going on from another: "
                    "a new store, or an agent installed anew; between the two nothing is proved"
                )
            continue
        old = known.get(goes_on.epoch)
        if old is not None and old.sequence < goes_on.sequence:
            detail = (
                f"epoch {epoch.epoch} goes on from report {goes_on.sequence}, "
                f"of which only {old.sequence} are here"
            )
            lost.append(Finding(Kind.LOST, old.epoch, old.sequence + 1, detail))
    return lost, notes


def _joined(spans: Sequence[Span], epochs: Sequence[Epoch]) -> tuple[Period, ...]:
    """Join spans of which one goes on where another ended."""
    continues = {one.epoch: one.continues for one in epochs}
    lines: list[list[Span]] = []
    for span in spans:
        goes_on = continues.get(span.epoch) if span.anchored == "begin" else None
        line = next(
            (
                line
                for line in lines
                if goes_on is not None
                and line[-1].epoch == goes_on.epoch
                and line[-1].last >= goes_on.sequence
                and line[-1].backfill == span.backfill
            ),
            None,
        )
        if line is None:
            lines.append([span])
        else:
            line.append(span)
    return tuple(
        Period(
            since=min(span.since for span in line),
            until=max(span.until for span in line),
            reports=sum(span.reports for span in line),
            backfill=line[0].backfill,
            epochs=tuple(span.epoch for span in line),
        )
        for line in lines
    )
