"""Proofs over made-up ledgers, whole and tampered with."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.sdk import Checkpoint, Epoch, Page, Point, ReportRecord, ledger
from moorage.sdk.ledger import Kind, Ledger, first_previous, next_chain, verify
from support.devices import sha256

BEGAN = datetime(2026, 11, 21, 10, tzinfo=UTC)


def made(name="e1", count=10, *, began=BEGAN, continues=None, backfill=False, checkpoints=()):
    """An epoch and its rows, half a minute apart, as a sound server keeps them."""
    rows, chain = [], first_previous(name)
    for sequence in range(1, count + 1):
        digest = sha256(f"{name} body {sequence}")
        chain = next_chain(chain, digest)
        at = began + timedelta(seconds=30 * sequence)
        rows.append(
            ReportRecord(epoch=name, sequence=sequence, digest=digest, chain=chain, received_at=at)
        )
    points = tuple(
        Checkpoint(sequence=n, chain=rows[n - 1].chain, at=rows[n - 1].received_at)
        for n in checkpoints
    )
    epoch = Epoch(
        epoch=name,
        store="s1",
        backfill=backfill,
        sequence=count,
        chain=chain,
        began_at=began,
        last_at=rows[-1].received_at,
        continues=continues,
        checkpoints=points,
    )
    return epoch, rows


def kept(*parts):
    return Ledger(
        tuple(epoch for epoch, _ in parts), tuple(row for _, rows in parts for row in rows)
    )


def kinds(found):
    return [(one.kind, one.sequence) for one in found.findings]


def test_the_chain_is_what_the_protocol_says():
    assert first_previous("e1") == sha256("e1")
    assert next_chain("aa", "bb") == sha256("aa:bb")


def test_a_sound_ledger_is_proved_from_its_begin_to_its_end():
    epoch, rows = made()
    found = verify(kept((epoch, rows)))
    assert found.holds
    (period,) = found.periods
    assert (period.since, period.until) == (rows[0].received_at, rows[-1].received_at)
    assert period.reports == 10
    assert found.spans[0].anchored == "begin"
    assert not found.notes


@given(st.integers(2, 12), st.data())
def test_any_row_taken_away_is_found(count, data):
    epoch, rows = made(count=count)
    # A row taken from the front looks like age; the note says where the proof begins.
    gone = data.draw(st.integers(1, count - 1))
    found = verify(kept((epoch, rows[:gone] + rows[gone + 1 :])))
    assert (Kind.LOST, gone + 1) in kinds(found)
    assert not any(s.first <= gone + 1 <= s.last for s in found.spans)


@given(st.integers(2, 12), st.data())
def test_any_digest_altered_is_found(count, data):
    epoch, rows = made(count=count)
    at = data.draw(st.integers(0, count - 1))
    rows[at] = replace(rows[at], digest=sha256("forged"))
    assert (Kind.ALTERED, at + 1) in kinds(verify(kept((epoch, rows))))


def test_a_forged_row_with_a_fitting_chain_breaks_the_next_one():
    epoch, rows = made()
    digest = sha256("forged")
    rows[4] = replace(rows[4], digest=digest, chain=next_chain(rows[3].chain, digest))
    found = verify(kept((epoch, rows)))
    assert kinds(found) == [(Kind.ALTERED, 6)]
    assert [(s.first, s.last) for s in found.spans] == [(1, 5), (6, 10)]


def test_a_tail_forged_to_its_end_is_found_by_the_head():
    epoch, rows = made()
    for at in range(7, 10):
        digest = sha256(f"forged {at}")
        rows[at] = replace(rows[at], digest=digest, chain=next_chain(rows[at - 1].chain, digest))
    assert kinds(verify(kept((epoch, rows)))) == [(Kind.ALTERED, 10)]


def test_a_tail_and_head_forged_are_found_by_what_the_device_remembers():
    epoch, rows = made()
    remembered = {Point(epoch="e1", sequence=10): rows[9].chain}
    digest = sha256("forged")
    rows[9] = replace(rows[9], digest=digest, chain=next_chain(rows[8].chain, digest))
    forged = replace(epoch, chain=rows[9].chain)
    assert verify(kept((forged, rows))).holds
    assert kinds(verify(kept((forged, rows)), remembered)) == [(Kind.ALTERED, 10)]


def test_a_tail_cut_off_is_found_by_the_head():
    epoch, rows = made()
    assert kinds(verify(kept((epoch, rows[:7])))) == [(Kind.LOST, 8)]


def test_swapped_and_doubled_rows_are_found():
    epoch, rows = made()
    swapped = [*rows]
    swapped[3], swapped[4] = (
        replace(rows[4], sequence=4),
        replace(rows[3], sequence=5),
    )
    assert not verify(kept((epoch, swapped))).holds
    assert (Kind.ALTERED, 4) in kinds(verify(kept((epoch, [*rows, rows[3]]))))


def test_rows_that_aged_away_leave_a_proof_from_a_checkpoint_on():
    epoch, rows = made(checkpoints=(6,))
    found = verify(kept((epoch, rows[6:])))
    assert found.holds
    assert found.spans[0].anchored == "checkpoint"
    assert "before sequence 7" in found.notes[0]


def test_a_row_that_does_not_follow_its_checkpoint_is_found():
    epoch, rows = made(checkpoints=(6,))
    rows[6] = replace(rows[6], digest=sha256("forged"))
    assert kinds(verify(kept((epoch, rows[6:])))) == [(Kind.ALTERED, 7)]


def test_without_a_checkpoint_the_oldest_row_is_taken_as_given_and_said_so():
    epoch, rows = made()
    found = verify(kept((epoch, rows[6:])))
    assert found.holds
    assert found.spans[0].anchored == "row"


def test_an_epoch_that_goes_on_from_another_makes_one_period():
    first = made("e1")
    later = BEGAN + timedelta(hours=1)
    second = made("e2", 5, began=later, continues=Point(epoch="e1", sequence=10))
    found = verify(kept(first, second))
    assert found.holds
    (period,) = found.periods
    assert period.epochs == ("e1", "e2")
    assert period.reports == 15
    assert period.until == second[1][-1].received_at


def test_reports_lost_with_a_restored_server_are_found():
    first = made("e1", 7)
    later = BEGAN + timedelta(hours=1)
    second = made("e2", 5, began=later, continues=Point(epoch="e1", sequence=10))
    found = verify(kept(first, second))
    assert kinds(found) == [(Kind.LOST, 8)]
    assert len(found.periods) == 2


def test_an_epoch_that_goes_on_from_nothing_is_a_period_of_its_own():
    found = verify(kept(made("e1"), made("e2", began=BEGAN + timedelta(hours=1))))
    assert found.holds
    assert len(found.periods) == 2
    assert "nothing is proved" in found.notes[0]


def test_backfill_beside_live_is_no_seam():
    found = verify(kept(made("e1"), made("b1", began=BEGAN + timedelta(hours=1), backfill=True)))
    assert found.holds
    assert not found.notes
    assert sorted(period.backfill for period in found.periods) == [False, True]


def test_an_epoch_without_any_row_left_is_a_finding_only_while_older_rows_are_kept():
    old, young = made("e1"), made("e2", began=BEGAN + timedelta(days=3))
    assert verify(kept((old[0], []), young)).holds
    assert kinds(verify(kept(old, (young[0], [])))) == [(Kind.LOST, 10)]


def test_a_sender_that_claims_no_order_is_followed_in_order_of_arrival():
    rows, chain = [], first_previous("e1")
    for number, sequence in enumerate((1, 3, 2, 9)):
        digest = sha256(f"body {sequence}")
        chain = next_chain(chain, digest)
        at = BEGAN + timedelta(seconds=number)
        rows.append(
            ReportRecord(epoch="e1", sequence=sequence, digest=digest, chain=chain, received_at=at)
        )
    epoch = Epoch(epoch="e1", sequence=9, chain=chain, began_at=BEGAN, last_at=BEGAN)
    found = verify(kept((epoch, rows)))
    assert found.holds
    assert "claim no order" in found.notes[0]
    assert not verify(kept((epoch, [rows[0], *rows[2:]]))).holds


def test_rows_of_an_epoch_that_is_not_listed_are_found():
    epoch, rows = made()
    _, others = made("e2", 1)
    assert kinds(verify(Ledger((epoch,), (*rows, *others)))) == [(Kind.ALTERED, 1)]


def test_nothing_at_all_proves_nothing():
    assert verify(Ledger((), ())).periods == ()


def _told(epoch, sequence):
    return {
        "epoch": epoch,
        "store": None,
        "backfill": False,
        "sequence": sequence,
        "chain": None,
        "began_at": "2026-11-21T10:00:00.000Z",
        "last_at": "2026-11-21T10:00:00.000Z",
        "continues": None,
        "checkpoints": [],
    }


def test_what_arrives_while_the_pages_are_read_is_no_fault():
    _, rows = made(count=3)
    first = Page(tuple(rows[:2]), "c", {"epochs": [_told("e1", 2)]})
    last = Page((rows[2],), None, {"epochs": [_told("e1", 3), _told("e0", 1)]})
    read = ledger.read([first, last])
    assert [(one.epoch, one.sequence) for one in read.epochs] == [("e1", 2)]
    assert verify(read).holds


@pytest.mark.parametrize("count", [1, 2])
def test_short_epochs_are_proved(count):
    assert verify(kept(made(count=count))).holds


def test_a_value_given_for_an_epoch_the_server_forgot_is_found():
    epoch, rows = made()
    found = verify(kept((epoch, rows)), {Point(epoch="forgotten", sequence=7): "ab" * 32})
    assert (Kind.LOST, 7) in kinds(found)
    assert not found.holds
