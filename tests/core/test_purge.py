"""Clearing out in small steps: so many rows at a time, of these devices, and no others."""

from datetime import timedelta

from moorage.core import audit, events, logs, provisioning, reports, streams, telemetry
from moorage.ingest import Ingest, Retention
from moorage.server.rolling import Rolling
from support.devices import rfc3339
from support.senders import column, enrolled, line

PURGES = {
    "telemetry_samples": telemetry.purge,
    "stream_samples": streams.purge,
    "log_lines": logs.purge,
    "events": events.purge,
}


async def told(db, owner, clock, name: str):
    """A device with seven rows in each table of rows, three of them over an hour old."""
    device = await enrolled(db, owner, name)
    ingest = Ingest(db, retention=Retention())
    ingest.start()
    for minutes in (90, 80, 70, 30, 20, 10, 0):
        at = clock.now() - timedelta(minutes=minutes)
        report = device.next(
            at,
            telemetry=[{"at": rfc3339(at), "cpu_percent": 1}],
            logs=[line(at)],
            events=[{"id": f"e{minutes}", "at": rfc3339(at), "event": "made.up"}],
            streams=[{"id": "s", "camera_fps": 25}],
        )
        await ingest.submit(report)
        device.acknowledged(report)
    await ingest.stop()
    return device


async def count(db, table: str, device) -> int:
    own = "AND event = 'made.up'" if table == "events" else ""
    found = f"SELECT id FROM {table} WHERE device_id = '{device.id}' {own}"
    return len(await column(db, found))


async def steps(db, purge, device_ids, **how) -> list[int]:
    """How many rows each step took, until one takes none."""
    taken = []
    for _ in range(20):
        async with db.write() as tx:
            taken.append(await purge(tx, device_ids, rows=2, **how))
        if taken[-1] == 0:
            break
    return taken


async def test_old_rows_go_two_at_a_time_and_others_devices_rows_stay(db, owner, clock):
    one, two, other = [await told(db, owner, clock, name) for name in ("one", "two", "other")]
    before = clock.now() - timedelta(minutes=60)
    await Rolling(db).run()  # samples that are not summed up yet would stay
    for table, purge in PURGES.items():
        assert await steps(db, purge, [one.id, two.id], before=before) == [2, 2, 2, 0], table
        assert [await count(db, table, device) for device in (one, two, other)] == [4, 4, 7], table


async def test_of_a_retired_device_all_rows_go(db, owner, clock):
    gone, kept = [await told(db, owner, clock, name) for name in ("gone", "kept")]
    async with db.write() as tx:
        await provisioning.retire(tx, owner, gone.id)
    for table, purge in PURGES.items():
        taken = await steps(db, purge, [gone.id], before=None)
        assert taken[-1] == 0
        assert all(number <= 2 for number in taken)
        assert [await count(db, table, device) for device in (gone, kept)] == [0, 7], table


async def test_the_ledger_forgets_reports_and_keeps_how_far_it_came(db, owner, clock):
    device = await told(db, owner, clock, "camera")
    clock.advance(hours=48, milliseconds=1)
    for expected in (5, 2, 0):
        async with db.write() as tx:
            assert await reports.purge_ledger(tx, 5) == expected
    assert await column(db, "SELECT sequence FROM report_epochs") == [7]
    ingest = Ingest(db, retention=Retention())
    ingest.start()
    report = device.next(clock.now())
    assert (await ingest.submit(report)).sequence == 8
    await ingest.stop()
    clock.advance(days=89)
    async with db.write() as tx:
        await reports.purge(tx, [device.id], checkpoints_before=clock.now() - timedelta(days=14))
    assert await column(db, "SELECT sequence FROM report_checkpoints") == []
    assert await column(db, "SELECT sequence FROM report_epochs") == [8]
    clock.advance(days=365)
    async with db.write() as tx:
        await reports.purge(tx, [device.id], checkpoints_before=clock.now())
    assert await column(db, "SELECT sequence FROM report_epochs") == [8], "it is the present one"


async def test_spent_tokens_are_kept_a_week_and_audit_entries_as_long_as_told(db, owner, clock):
    await told(db, owner, clock, "camera")
    made_at = clock.now()
    clock.advance(days=8, minutes=-1)  # a token of a day
    async with db.write() as tx:
        assert await provisioning.purge_tokens(tx, 10) == 0
    clock.advance(minutes=2)
    async with db.write() as tx:
        assert await provisioning.purge_tokens(tx, 10) == 1
        entries = len(await column(db, "SELECT id FROM audit_entries"))
        assert await audit.purge(tx, made_at, 100) == 0
        assert await audit.purge(tx, made_at + timedelta(milliseconds=1), 2) == 2
    assert len(await column(db, "SELECT id FROM audit_entries")) == entries - 2
