"""Reports on their way into one transaction: bounds, bad ones, and what is nobody's fault."""

import asyncio
import contextlib
import sqlite3
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from moorage.core import keys, provisioning
from moorage.core.errors import Kind
from moorage.ingest import Ingest, IngestLimits, Received, Retention, queue
from moorage.ingest.lines import Weight
from support.engines import on_postgresql, on_sqlite
from support.senders import column, enrolled, line, outcome

STORED = "SELECT message FROM log_lines ORDER BY message"


@pytest.fixture
async def devices(db, owner):
    return [await enrolled(db, owner, f"camera {number}") for number in range(9)]


@contextlib.asynccontextmanager
async def bounded(db, **limits):
    """Ingest that has taken nothing up yet; it starts when told to, and ends with the block."""
    ingest = Ingest(db, retention=Retention(), limits=IngestLimits(**limits))
    yield ingest
    ingest.start()  # again is no fault
    await ingest.stop()


async def begun(tasks) -> list:
    """Let the tasks run up to where they wait."""
    all_of_them = [asyncio.create_task(task) for task in tasks]
    for _ in range(5):
        await asyncio.sleep(0)
    return all_of_them


def reports_of(devices, clock):
    return [
        device.next(clock.now(), logs=[line(clock.now(), f"line {number}")])
        for number, device in enumerate(devices)
    ]


def overloaded(refusal) -> None:
    assert (refusal.kind, refusal.code) == (Kind.UNAVAILABLE, "overloaded")
    assert 1 <= refusal.retry_after_s <= 15


@pytest.mark.parametrize(
    ("engine", "bad", "place"),
    [
        ("sqlite", "half a character", 0),
        ("sqlite", "an absurd skew", 8),
        ("postgresql", "half a character", 5),
    ],
    indirect=["engine"],
)
async def test_of_a_batch_only_the_bad_report_is_refused(
    db, ingest, devices, clock, bad, place, logged
):
    reports = reports_of(devices, clock)
    if bad == "half a character":
        reports[place].report.logs[0].message = "\ud800"
    else:
        reports[place].skew_ms = 2**70
    answers = await asyncio.gather(*(outcome(ingest, report) for report in reports))
    refusal = answers.pop(place)
    assert refusal.kind == Kind.INVALID
    assert refusal.code in {"report_not_storable", "value_out_of_range"}
    assert all(isinstance(answer, Received) for answer in answers)
    assert await column(db, STORED) == [f"line {number}" for number in range(9) if number != place]
    assert ingest.refused_reports == 1
    if refusal.code == "report_not_storable":  # nobody foresaw it, so somebody is told
        assert [one["event"] for one in logged if one["log_level"] == "error"] == ["report_failed"]
    assert 1 < ingest.committed_batches <= 4, "halved, not taken apart one by one"


@on_postgresql
async def test_a_nul_that_slipped_through_is_one_reports_fault(db, ingest, devices, clock):
    reports = reports_of(devices, clock)
    reports[3].report.logs[0].message = "a\x00b"
    answers = await asyncio.gather(*(outcome(ingest, report) for report in reports))
    assert answers[3].code == "value_out_of_range"
    assert len(await column(db, STORED)) == 8


@on_sqlite
async def test_three_bad_reports_of_nine_are_refused_and_six_stored(db, ingest, devices, clock):
    reports = reports_of(devices, clock)
    for number in (0, 1, 7):
        reports[number].skew_ms = 2**70
    answers = await asyncio.gather(*(outcome(ingest, report) for report in reports))
    refused = [number for number, answer in enumerate(answers) if not isinstance(answer, Received)]
    assert refused == [0, 1, 7]
    assert len(await column(db, STORED)) == 6


@on_sqlite
async def test_beyond_its_reports_the_queue_turns_away_with_a_time_to_come_back(db, devices, clock):
    async with bounded(db, queued_reports=2) as ingest:
        reports = reports_of(devices[:3], clock)
        waiting = await begun(outcome(ingest, report) for report in reports[:2])
        overloaded(await outcome(ingest, reports[2]))
        assert ingest.queued_reports == 2
        ingest.start()
        assert [type(answer) for answer in await asyncio.gather(*waiting)] == [Received] * 2
        assert isinstance(await outcome(ingest, reports[2]), Received), "room was made"


@on_sqlite
async def test_beyond_its_bytes_the_queue_turns_away(db, devices, clock):
    reports = reports_of(devices[:3], clock)
    two = reports[0].size_bytes + reports[1].size_bytes
    async with bounded(db, queued_bytes=two) as ingest:
        waiting = await begun(outcome(ingest, report) for report in reports[:2])
        overloaded(await outcome(ingest, reports[2]))
        ingest.start()
        await asyncio.gather(*waiting)
        assert isinstance(await outcome(ingest, reports[2]), Received)


@on_sqlite
async def test_behind_a_report_that_waits_too_long_nobody_queues(db, devices, clock):
    reports = reports_of(devices[:2], clock)
    async with bounded(db, oldest_s=0.01) as ingest:
        waiting = await begun([outcome(ingest, reports[0])])
        await asyncio.sleep(0.02)
        overloaded(await outcome(ingest, reports[1]))
        ingest.start()
        assert isinstance(await waiting[0], Received), "it is written all the same"


def test_the_pauses_are_spread():
    assert len({queue.overloaded().retry_after_s for _ in range(200)}) > 5


@on_sqlite
@pytest.mark.parametrize(
    ("limits", "batches"), [({"batch_reports": 4}, 3), ({"batch_rows": 6}, 3), ({}, 1)]
)
async def test_a_batch_holds_so_many_reports_and_rows(db, devices, clock, limits, batches):
    async with bounded(db, **limits) as ingest:  # a report with a line is two rows
        waiting = await begun(outcome(ingest, one) for one in reports_of(devices, clock))
        ingest.start()
        await asyncio.gather(*waiting)
        assert ingest.committed_batches == batches
        assert ingest.committed_reports == 9


@on_sqlite
async def test_a_report_of_more_rows_than_a_batch_is_written_alone(db, devices, clock):
    big = devices[0].next(clock.now(), logs=[line(clock.now(), f"{n:03}") for n in range(50)])
    async with bounded(db, batch_rows=10) as ingest:
        waiting = await begun(
            outcome(ingest, one) for one in (big, *reports_of(devices[1:3], clock))
        )
        ingest.start()
        assert [type(answer) for answer in await asyncio.gather(*waiting)] == [Received] * 3
    assert len(await column(db, STORED)) == 52


@on_sqlite
async def test_what_waits_at_the_end_is_written_and_what_comes_later_turned_away(
    db, devices, clock
):
    reports = reports_of(devices, clock)
    ingest = Ingest(db, retention=Retention())
    waiting = await begun(outcome(ingest, one) for one in reports[:8])
    ingest.start()
    await ingest.stop()
    assert [type(answer) for answer in await asyncio.gather(*waiting)] == [Received] * 8
    overloaded(await outcome(ingest, reports[8]))
    assert len(await column(db, STORED)) == 8


@on_sqlite
async def test_a_sender_that_hangs_up_changes_nothing(db, devices, clock):
    reports = reports_of(devices[:3], clock)
    async with bounded(db) as ingest:
        waiting = await begun(ingest.submit(one) for one in reports)
        waiting[1].cancel()
        ingest.start()
        ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(end) for end in ended] == [Received, asyncio.CancelledError, Received]
    assert len(await column(db, STORED)) == 3


@on_sqlite
async def test_a_full_disk_is_no_reports_fault_and_costs_none(db, ingest, devices, clock):
    reports = reports_of(devices[:8], clock)  # these alone would have had room
    reports.append(devices[8].next(clock.now(), logs=[line(clock.now(), "x" * 200_000)]))
    async with db.write() as tx:
        pages = (await tx.row(sa.text("PRAGMA page_count")))[0]
        await tx.row(sa.text(f"PRAGMA max_page_count = {pages + 20}"))
    refusals = await asyncio.gather(*(outcome(ingest, report) for report in reports))
    assert {(one.kind, one.code) for one in refusals} == {(Kind.STORAGE_FULL, "storage_full")}
    assert all(one.retry_after_s > 0 for one in refusals)
    assert ingest.committed_batches == 0
    async with db.write() as tx:
        await tx.row(sa.text(f"PRAGMA max_page_count = {pages + 1000}"))
    answers = await asyncio.gather(*(ingest.submit(report) for report in reports))
    assert [answer.sequence for answer in answers] == [1] * 9
    assert len(await column(db, STORED)) == 9


@on_sqlite
async def test_a_locked_database_is_no_reports_fault(db, clock, devices):
    db._lock_wait_s = 0.05
    other = sqlite3.connect(db.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    async with bounded(db) as ingest:
        ingest.start()
        reports = reports_of(devices, clock)
        refusals = await asyncio.gather(*(outcome(ingest, report) for report in reports))
        assert {one.kind for one in refusals} == {Kind.UNAVAILABLE}
        other.close()
        assert isinstance(await outcome(ingest, reports[0]), Received)


async def test_a_key_revoked_or_a_device_retired_meanwhile_is_found_inside_the_transaction(
    db, owner, ingest, devices, clock
):
    """The requests were let in already; what they came with ended while they waited."""
    revoked, rotated, retired, standing = devices[:4]
    async with db.write() as tx:
        await keys.revoke_for_device(tx, owner, revoked.id)
        await provisioning.rotate_key(tx, owner, rotated.id)
        await provisioning.retire(tx, owner, retired.id)
    answers = await asyncio.gather(
        *(outcome(ingest, report) for report in reports_of(devices[:4], clock))
    )
    assert [getattr(answer, "code", "stored") for answer in answers] == [
        "key_invalid",
        "key_invalid",
        "device_retired",
        "stored",
    ]
    assert answers[2].kind == Kind.GONE
    assert await column(db, "SELECT device_id FROM log_lines") == [standing.id]
    assert await column(db, "SELECT device_id FROM report_epochs") == [standing.id]


async def test_what_one_device_sent_is_written_in_its_order_and_never_two_at_once(db):
    """However many transactions are under way, on whichever engine."""
    written: list[tuple[str, int]] = []
    under_way: list[str] = []
    most_under_way = 0

    async def write(_tx, batch):
        nonlocal most_under_way
        senders = {sender for sender, _ in batch}
        assert senders.isdisjoint(under_way)
        under_way.extend(senders)
        most_under_way = max(most_under_way, len(under_way))
        for _ in range(1_000):  # until the other writer is here, too, where there is one
            await asyncio.sleep(0.002)
            if db.engine.in_process or most_under_way == len({sender for sender, _ in sent}):
                break
        for sender in senders:
            under_way.remove(sender)
        written.extend(batch)
        return [None] * len(batch)

    batches: queue.Batches[tuple[str, int], None] = queue.Batches(
        db,
        write,
        weigh=lambda item: Weight(1, 100, "acme", item[0]),
        limits=IngestLimits(batch_reports=5, per_device=10),
    )
    batches.start()
    sent = [(f"device {number % 7}", number) for number in range(70)]
    await asyncio.gather(*(batches.submit(item) for item in sent))
    await batches.stop()
    assert sorted(written, key=lambda item: item[1]) == sent
    for sender in {sender for sender, _ in sent}:
        of_it = [number for name, number in written if name == sender]
        assert of_it == sorted(of_it)
    assert most_under_way == (5 if db.engine.in_process else 7)


@on_postgresql
async def test_on_a_database_that_is_still_empty_no_batch_reads_a_table_whole(db, ingest, devices):
    """The driver keeps the plans it makes now, when the tables may be large already."""
    for sequence in range(1, 10):
        reports = [device.simple(datetime.now(UTC), sequence) for device in devices]
        await asyncio.gather(*(ingest.submit(report) for report in reports))
    async with db.read() as tx:
        await tx.rows(sa.text("SELECT pg_stat_force_next_flush()"))
    tables = ("report_ledger", "report_epochs", "device_presence", "config_states", "commands")
    read = "SELECT relname FROM pg_stat_user_tables WHERE seq_scan > 0 AND relname = ANY(:names)"
    async with db.read() as tx:
        assert await tx.rows(sa.text(read), {"names": list(tables)}) == []
