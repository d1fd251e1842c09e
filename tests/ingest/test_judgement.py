"""Which reports are stored, which are repeats, and which do not fit: the ledger at work."""

import asyncio

from moorage.core.errors import Kind
from support.devices import sha256
from support.engines import on_sqlite
from support.senders import column, enrolled, line, outcome


async def messages(db) -> list[str]:
    return await column(db, "SELECT message FROM log_lines ORDER BY message")


async def happened(db, event: str) -> int:
    return len(await column(db, f"SELECT id FROM events WHERE event = '{event}'"))


def is_fork(answer, sequence: int, chain: str) -> None:
    assert (answer.kind, answer.code) == (Kind.CONFLICT, "chain_forked")
    assert answer.extra == {"sequence": sequence, "chain": chain}


async def test_reports_in_order_are_stored_and_answered_with_the_chain_so_far(
    db, ingest, device, clock
):
    for number in range(1, 4):
        report = device.next(clock.now(), logs=[line(clock.now(), f"line {number}")])
        answer = await ingest.submit(report)
        device.acknowledged(report)
        assert (answer.sequence, answer.chain) == (number, device.wire.chain)
        assert answer.notes == []
    assert await messages(db) == ["line 1", "line 2", "line 3"]


async def test_the_same_report_again_is_answered_as_the_first_time_and_stored_once(
    db, ingest, device, clock
):
    first = device.next(clock.now(), logs=[line(clock.now(), "one")])
    answers = [await ingest.submit(first)]
    device.acknowledged(first)
    second = device.next(clock.now(), logs=[line(clock.now(), "two")])
    await ingest.submit(second)
    clock.advance(hours=1)
    answers.append(await ingest.submit(first))
    assert answers[0] == answers[1]
    assert await messages(db) == ["one", "two"]


async def test_two_copies_in_one_batch_are_stored_once(db, ingest, device, clock):
    report = device.next(clock.now(), logs=[line(clock.now())])
    one, two = await asyncio.gather(ingest.submit(report), ingest.submit(report))
    assert one == two
    assert ingest.committed_batches == 1
    assert await messages(db) == ["a line"]


async def test_a_whole_chain_in_one_batch_is_stored_in_order(db, ingest, device, clock):
    reports = []
    for number in range(4):
        reports.append(device.next(clock.now(), logs=[line(clock.now(), f"line {number}")]))
        device.acknowledged(reports[-1])
    answers = await asyncio.gather(*map(ingest.submit, reports))
    assert [answer.sequence for answer in answers] == list(range(1, 5))
    assert answers[-1].chain == device.wire.chain
    assert ingest.committed_batches == 1
    assert len(await messages(db)) == 4


async def test_a_report_beyond_the_next_is_a_fork_told_with_what_the_server_has(
    db, ingest, device, clock
):
    report = device.next(clock.now())
    await ingest.submit(report)
    device.acknowledged(report)
    have = device.wire.chain
    device.acknowledged(device.next(clock.now()))  # one the server never gets
    answer = await outcome(ingest, device.next(clock.now(), logs=[line(clock.now())]))
    is_fork(answer, 1, have)
    assert await messages(db) == []
    assert await happened(db, "reports.forked") == 1


@on_sqlite
async def test_another_body_at_the_next_place_of_another_chain_is_a_fork(db, ingest, device, clock):
    report = device.next(clock.now())
    await ingest.submit(report)
    other = device.next(clock.now(), uptime_s=1)  # the same place, never acknowledged
    is_fork(await outcome(ingest, other), 1, sha256(f"{sha256(device.wire.epoch)}:{report.digest}"))


@on_sqlite
async def test_an_epoch_begins_with_the_digest_of_its_name(db, ingest, device, clock):
    wrong = device.next(clock.now(), previous=sha256("another epoch"))
    is_fork(await outcome(ingest, wrong), 0, sha256(device.wire.epoch))
    assert await column(db, "SELECT epoch FROM report_epochs") == [], "it never began"
    assert (await ingest.submit(device.next(clock.now()))).sequence == 1


@on_sqlite
async def test_forks_without_end_are_told_once_in_ten_minutes(db, ingest, device, clock):
    for _ in range(5):
        await outcome(ingest, device.next(clock.now(), previous=sha256("nothing")))
        clock.advance(minutes=1)
    assert await happened(db, "reports.forked") == 1
    clock.advance(minutes=10)
    await outcome(ingest, device.next(clock.now(), previous=sha256("nothing")))
    assert await happened(db, "reports.forked") == 2
    assert await column(db, "SELECT count FROM report_forks") == [6]


async def test_a_report_known_from_another_epoch_moves_the_chain_and_is_not_stored_again(
    db, ingest, device, clock
):
    """After a fork a device sends again, in a new epoch, what it does not know to be stored."""
    kept = device.next(clock.now(), logs=[line(clock.now(), "kept")])
    await ingest.submit(kept)
    device.new_epoch()
    again = device.next(clock.now(), id=kept.report.id, logs=[line(clock.now(), "kept")])
    answer = await ingest.submit(again)
    device.acknowledged(again)
    assert (answer.sequence, answer.chain) == (1, device.wire.chain)
    assert await ingest.submit(again) == answer, "and its repeat is a repeat"
    fresh = device.next(clock.now(), logs=[line(clock.now(), "fresh")])
    answer = await ingest.submit(fresh)
    device.acknowledged(fresh)
    assert (answer.sequence, answer.chain) == (2, device.wire.chain)
    assert await messages(db) == ["fresh", "kept"]


@on_sqlite
async def test_one_id_for_two_bodies_of_an_epoch_is_a_fork(db, ingest, device, clock):
    first = device.next(clock.now(), logs=[line(clock.now(), "one")])
    await ingest.submit(first)
    device.acknowledged(first)
    have = device.wire.chain
    other = device.next(clock.now(), id=first.report.id, logs=[line(clock.now(), "two")])
    is_fork(await outcome(ingest, other), 1, have)
    assert await messages(db) == ["one"]


@on_sqlite
async def test_without_a_chain_any_unseen_report_is_stored_in_whatever_order(
    db, ingest, device, clock
):
    for sequence in (7, 2, 9):
        report = device.simple(clock.now(), sequence, logs=[line(clock.now(), f"line {sequence}")])
        assert (await ingest.submit(report)).sequence == sequence
        assert (await ingest.submit(report)).sequence == sequence
    assert await messages(db) == ["line 2", "line 7", "line 9"]


@on_sqlite
async def test_another_body_at_a_known_place_without_a_chain_is_never_taken_silently(
    db, ingest, device, clock
):
    await ingest.submit(device.simple(clock.now(), 1, logs=[line(clock.now(), "one")]))
    other = device.simple(clock.now(), 1, logs=[line(clock.now(), "two")])
    answer = await outcome(ingest, other)
    assert (answer.kind, answer.code) == (Kind.CONFLICT, "sequence_reused")
    assert answer.extra["sequence"] == 1
    assert await messages(db) == ["one"]


@on_sqlite
async def test_a_report_that_was_refused_may_come_again_emptied(db, ingest, device, clock):
    """On 413 or 422 the same sequence is sent emptied, so that the chain has no gap."""
    device.next(clock.now(), logs=[line(clock.now(), "too much")])  # refused before it came here
    emptied = device.next(clock.now(), dropped={"logs": 1})
    assert (await ingest.submit(emptied)).sequence == 1


@on_sqlite
async def test_devices_do_not_share_ids_epochs_or_chains(db, owner, ingest, device, clock):
    other = await enrolled(db, owner, "other")
    other.new_epoch(device.wire.epoch)
    one = device.next(clock.now(), logs=[line(clock.now(), "mine")])
    two = other.next(clock.now(), id=one.report.id, logs=[line(clock.now(), "theirs")])
    answers = await asyncio.gather(ingest.submit(one), ingest.submit(two))
    assert [answer.sequence for answer in answers] == [1, 1]
    assert await messages(db) == ["mine", "theirs"]


async def _send(ingest, device, clock, **parts) -> None:
    report = device.next(clock.now(), **parts)
    await ingest.submit(report)
    device.acknowledged(report)


async def test_epochs_that_alternate_flag_a_clone_once(db, owner, ingest, device, clock):
    a, b = device.wire, None
    await _send(ingest, device, clock)
    device.new_epoch()
    b = device.wire
    await _send(ingest, device, clock)
    flagged = "SELECT id FROM devices WHERE clone_suspected_at IS NOT NULL"
    assert await column(db, flagged) == [], "a new epoch that takes over is no clone"
    device.wire = a
    await _send(ingest, device, clock)
    assert await column(db, flagged) == [device.id]
    device.wire = b
    await _send(ingest, device, clock)
    assert await happened(db, "device.clone_suspected") == 1


@on_sqlite
async def test_epochs_that_alternate_within_one_batch_flag_a_clone(db, ingest, device, clock):
    reports = []
    for _ in range(2):
        device.new_epoch()
        one = device.next(clock.now())
        device.acknowledged(one)
        reports.append((one, device.next(clock.now())))
    (a1, a2), (b1, b2) = reports
    await asyncio.gather(*map(ingest.submit, (a1, b1, a2, b2)))
    assert ingest.committed_batches == 1
    assert await happened(db, "device.clone_suspected") == 1


@on_sqlite
async def test_backfill_beside_the_present_is_no_clone(db, ingest, device, clock):
    present = device.wire
    device.new_epoch()
    past = device.wire
    for _ in range(4):
        device.wire = present
        await _send(ingest, device, clock)
        device.wire = past
        await _send(ingest, device, clock, backfill=True)
    assert await happened(db, "device.clone_suspected") == 0


@on_sqlite
async def test_late_reports_of_a_simple_sender_are_no_clone(db, ingest, device, clock):
    for sequence, epoch in enumerate(("boot 1", "boot 2", "boot 1", "boot 2"), 1):
        await ingest.submit(device.simple(clock.now(), sequence, epoch))
    assert await happened(db, "device.clone_suspected") == 0


@on_sqlite
async def test_the_chain_is_kept_once_an_hour(db, ingest, device, clock):
    for _ in range(5):
        await _send(ingest, device, clock)
        clock.advance(minutes=30)
    kept = "SELECT sequence FROM report_checkpoints ORDER BY sequence"
    assert await column(db, kept) == [1, 3, 5]
