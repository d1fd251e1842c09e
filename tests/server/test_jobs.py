"""Clearing out: what is past its time goes, in small steps, and nothing else."""

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa

from moorage.core import devices, events, logs, provisioning, reports, telemetry
from moorage.core.caller import DeviceRef
from moorage.core.keys import digest
from moorage.core.timeline import Window
from moorage.ingest import Retention
from moorage.kit.clock import to_ms
from moorage.kit.ids import new_row_id
from moorage.server import clearing
from moorage.server.jobs import Jobs
from moorage.server.jumps import Jumps
from moorage.storage import idempotency

KEPT = Retention(
    telemetry=timedelta(days=2),
    logs=timedelta(days=1),
    events=timedelta(days=3),
    audit=timedelta(days=4),
)


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch):
    """A few rows a step, so that a small database needs many."""
    monkeypatch.setattr(clearing, "_FIRST_ROWS", 3)
    monkeypatch.setattr(clearing, "_MOST_ROWS", 3)
    monkeypatch.setattr(clearing, "_FEWEST_ROWS", 3)
    monkeypatch.setattr(clearing, "_STEP_DEVICES", 2)
    monkeypatch.setattr(clearing, "_PAUSE_S", 0)


async def make_device(db, owner, name: str) -> DeviceRef:
    async with db.write() as tx:
        made = await provisioning.register(tx, owner, name=name)
        return made.device.ref


async def add_rows(db, device: DeviceRef, clock, ages_h: list[float]) -> None:
    """A sample, a line and an event of each age in hours."""
    at_of = [clock.now() - timedelta(hours=age) for age in ages_h]

    def base(at):
        return device.device_id, to_ms(at), new_row_id(), None, to_ms(at)

    async with db.write() as tx:
        await telemetry.append(
            tx, [telemetry.SampleRow(*base(at), cpu_percent=1.0) for at in at_of]
        )
        await logs.append(tx, [logs.LogRow(*base(at), "s", "info", "m") for at in at_of])
        text = events.EventText("made.up", "made up")
        await events.append(tx, [events.row_of(device, text, at) for at in at_of])


async def count(db, table: str, where: str = "1 = 1") -> int:
    async with db.read() as tx:
        return (await tx.row(sa.text(f"SELECT count(*) AS n FROM {table} WHERE {where}"))).n


async def test_what_is_past_its_time_goes_and_what_is_fresh_stays(db, owner, clock):
    refs = [await make_device(db, owner, f"camera {at}") for at in range(5)]
    ages = [1, 23, 25, 47, 49, 71, 73, *[100] * 10]
    for ref in refs:
        await add_rows(db, ref, clock, ages)
    await Jobs(db, KEPT).purge()
    own_event = "event = 'made.up'"
    assert await count(db, "telemetry_samples") == 5 * 4
    assert await count(db, "log_lines") == 5 * 2
    assert await count(db, "events", own_event) == 5 * 6
    async with db.read() as tx:
        for ref in refs:
            page = await logs.list_lines(
                tx, owner, ref, Window(), services=[], severities=[], cursor=None, limit=100
            )
            assert min(line.at for line in page.items) >= clock.now() - KEPT.logs


async def test_nothing_is_left_of_retired_devices_however_many(db, owner, clock):
    kept = await make_device(db, owner, "kept")
    gone = [await make_device(db, owner, f"camera {at}") for at in range(7)]
    for ref in (kept, *gone):
        await add_rows(db, ref, clock, [1] * 7)
    async with db.write() as tx:
        for ref in gone:
            await provisioning.retire(tx, owner, ref.device_id)
    await Jobs(db, KEPT).purge()
    for table in ("telemetry_samples", "telemetry_rollups", "log_lines", "events"):
        assert await count(db, table, f"device_id <> '{kept.device_id}'") == 0, table
        least = 1 if table == "telemetry_rollups" else 7
        assert await count(db, table, f"device_id = '{kept.device_id}'") >= least, table
    assert await count(db, "device_tombstones", "purged_at IS NULL") == 0
    assert await count(db, "device_tombstones") == 7, "their reports are still answered 'gone'"
    async with db.read() as tx:
        assert list(await devices.unpurged_remains(tx, 10)) == []


async def test_old_answers_tokens_and_audit_entries_go(db, owner, clock):
    async with db.write() as tx:
        for at in range(5):
            await idempotency.begin(tx, owner="o", key=f"k-{at}", request_digest="d")
    await make_device(db, owner, "old")
    clock.advance(days=8)
    await make_device(db, owner, "new")
    async with db.write() as tx:
        await idempotency.begin(tx, owner="o", key="fresh", request_digest="d")
    await Jobs(db, KEPT).purge()
    assert await count(db, "idempotent_answers") == 1
    assert await count(db, "install_tokens") == 1
    assert await count(db, "audit_entries") > 0
    async with db.read() as tx:
        oldest = await tx.row(sa.text("SELECT min(at) AS at FROM audit_entries"))
    assert oldest.at >= (clock.now() - KEPT.audit).timestamp() * 1000


async def test_the_ledger_keeps_48_hours(db, owner, clock):
    ref = await make_device(db, owner, "camera")

    async def report(sequence: int) -> None:
        async with db.write() as tx:
            offer = reports.Offer(ref, None, None, "e", sequence, None, digest(str(sequence)))
            ledger = await reports.open_ledger(tx, [offer])
            ledger.judge(offer)
            await ledger.save()

    for sequence in range(1, 8):
        await report(sequence)
    clock.advance(hours=49)
    await report(8)
    await Jobs(db, KEPT).purge()
    assert await count(db, "report_ledger") == 1


async def test_of_two_servers_one_clears_out(db, owner, clock, monkeypatch):
    done = []

    class Counting(Jobs):
        async def purge(self) -> None:
            done.append(self)

    def steady() -> float:
        return clock.now().timestamp()

    first, second = (Counting(db, KEPT, jumps=Jumps(steady)) for _ in range(2))
    await first._purge_if_due()
    await second._purge_if_due()
    await first._purge_if_due()
    assert done == [first]
    clock.advance(minutes=61)
    await second._purge_if_due()
    await first._purge_if_due()
    assert done == [first, second]


async def test_what_was_done_before_the_first_report_is_not_done_again_at_once(db):
    done = []

    class Noting(Jobs):
        async def _mark_alive(self) -> None:
            done.append("alive")

        async def learn(self) -> None:
            done.append("learn")

        async def cover(self) -> None:
            done.append("cover")

        async def _expire_commands(self) -> None:
            done.append("expire")

    jobs = Noting(db, KEPT)
    await jobs.prepare()
    assert done == ["learn", "cover"]
    jobs.start()
    await asyncio.sleep(0)  # every task has begun
    await jobs.stop()
    assert done == ["learn", "cover", "expire"]


async def test_two_servers_that_clear_out_at_once_do_each_other_no_harm(db, owner, clock):
    ref = await make_device(db, owner, "camera")
    await add_rows(db, ref, clock, [1, *[200] * 20])
    await asyncio.gather(*(Jobs(db, KEPT).purge() for _ in range(3)))
    assert await count(db, "telemetry_samples") == 1
    assert await count(db, "log_lines") == 1
