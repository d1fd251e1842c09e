"""What is past its time goes while reports come and pages are read, and its room is used again."""

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa

from conftest import make_owner
from moorage.core import events, logs, telemetry
from moorage.core.timeline import BY_DAY, Window
from moorage.ingest import Ingest, Kept, Retention
from moorage.kit.clock import to_ms
from moorage.kit.ids import new_row_id
from moorage.server import clearing, rolling
from moorage.server.clearing import Clearing, Stride
from moorage.server.rolling import Rolling
from moorage.storage.partitions import DAY
from support.devices import rfc3339
from support.engines import on_sqlite
from support.senders import column, enrolled, line

KEPT = Retention(telemetry=3 * DAY, logs=2 * DAY, events=4 * DAY, audit=30 * DAY)
SOON_S = 60


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch):
    monkeypatch.setattr(clearing, "_PAUSE_S", 0)
    monkeypatch.setattr(rolling, "_PAUSE_S", 0)


async def clear(db, cleared: Clearing) -> None:
    """As the job does: what is not summed up yet is not cleared out."""
    await Rolling(db).run()
    await cleared.run()


def stride(rows: int) -> Stride:
    return Stride(rows)


def test_a_step_that_took_too_long_is_followed_by_a_shorter_one_at_once():
    one = stride(1000)
    one.note(1000, 0.04)
    assert one.rows == 500
    one.note(500, 0.021)
    assert one.rows < 500


def test_one_stall_of_the_disk_does_not_bring_steps_down_to_nothing():
    one = stride(1000)
    one.note(1000, 3.0)
    assert one.rows == 200
    for _ in range(20):
        one.note(one.rows, 3.0)
    assert one.rows == 5


def test_steps_grow_while_they_are_quick_and_full_and_only_then():
    one = stride(100)
    one.note(100, 0.001)
    assert one.rows == 200
    one.note(3, 0.001)
    one.note(200, 0.015)
    assert one.rows == 200
    for _ in range(20):
        one.note(one.rows, 0.001)
    assert one.rows == 2_000


async def use_days(db, cleared: Clearing) -> None:
    """On PostgreSQL the tables by day that a server would have made."""
    if db.engine.name == "postgresql":
        async with db.write() as tx:
            for table in BY_DAY:
                await tx.run(sa.text(f"DROP TABLE {table}_00000000"))
    await cleared.cover()


async def add_days(db, device_ids, clock, days: range, *, rows: int = 12) -> None:
    """So many samples, lines and events of each device on each of these days."""
    for at_day in days:
        at = [clock.now() + at_day * DAY + timedelta(minutes=n) for n in range(rows)]
        async with db.write() as tx:
            for device_id in device_ids:
                base = [(device_id, to_ms(one), new_row_id(), None, to_ms(one)) for one in at]
                await telemetry.append(tx, [telemetry.SampleRow(*row) for row in base])
                text = ("s", "info", "m" * 200)
                await logs.append(tx, [logs.LogRow(*row, *text) for row in base])


async def oldest(db, table: str) -> int:
    return (await column(db, f"SELECT min(at) FROM {table}"))[0]


async def until(happened) -> None:
    async with asyncio.timeout(SOON_S):
        while not happened():  # noqa: ASYNC110 - there is nothing that could tell
            await asyncio.sleep(0.01)


async def test_a_month_goes_while_reports_come_and_pages_are_read(db, owner, clock):
    cleared = Clearing(db, Kept(KEPT))
    device, other = [await enrolled(db, owner, name) for name in ("one", "two")]
    clock.advance(days=-28)
    await use_days(db, cleared)
    for _ in range(4):  # a month in which a server ran
        await add_days(db, [device.id, other.id], clock, range(7))
        clock.advance(days=7)
        await cleared.cover()
    ingest = Ingest(db, retention=KEPT)
    ingest.start()
    stored = 0

    async def reports() -> None:
        nonlocal stored
        while True:
            at = clock.now()
            report = device.next(at, telemetry=[{"at": rfc3339(at)}], logs=[line(at)])
            await ingest.submit(report)
            device.acknowledged(report)
            stored += 1
            await asyncio.sleep(0)

    async def pages() -> None:
        while True:
            async with db.read() as tx:
                await logs.list_lines(tx, owner, other.ref, Window(), cursor=None, limit=50)
            await asyncio.sleep(0)

    busy = [asyncio.create_task(one) for one in (reports(), pages())]
    await until(lambda: stored > 0)
    before = stored
    await clear(db, cleared)
    await until(lambda: stored >= before + 3)
    for one in busy:
        one.cancel()
    for ended in await asyncio.gather(*busy, return_exceptions=True):
        assert isinstance(ended, asyncio.CancelledError), ended
    await ingest.stop()
    for table, kept in (("telemetry_samples", 3), ("log_lines", 2)):
        limit = (clock.now() - (kept + 1) * DAY).timestamp() * 1000
        assert await oldest(db, table) >= limit, table
        left = await column(db, f"SELECT count(*) FROM {table} WHERE device_id = '{other.id}'")
        assert left[0] in (kept * 12, (kept + 1) * 12), "its time, and at most a day more"
    lines = await column(db, f"SELECT count(*) FROM log_lines WHERE device_id = '{device.id}'")
    assert lines[0] >= stored
    assert (cleared.cleared.days > 0) is (db.engine.name == "postgresql")


async def test_a_workspace_with_less_time_has_less_and_one_with_more_has_more(db, owner, clock):
    owners = [owner, await make_owner(db, "short"), await make_owner(db, "long")]
    kept = Kept(KEPT)
    short = Retention(telemetry=DAY, logs=DAY, events=DAY, audit=DAY)
    more = Retention(telemetry=20 * DAY, logs=20 * DAY, events=20 * DAY, audit=90 * DAY)
    kept.choose({owners[1].workspace_id: short, owners[2].workspace_id: more})
    cleared = Clearing(db, kept)
    clock.advance(days=-12)
    await use_days(db, cleared)
    devices = [await enrolled(db, one) for one in owners]
    for _ in range(2):
        await add_days(db, [one.id for one in devices], clock, range(6), rows=2)
        clock.advance(days=6)
        await cleared.cover()
    await clear(db, cleared)
    for table in ("telemetry_samples", "log_lines"):
        lengths = [
            (await column(db, f"SELECT count(*) FROM {table} WHERE device_id = '{one.id}'"))[0]
            for one in devices
        ]
        days = 3 if table == "telemetry_samples" else 2
        assert lengths[0] in (2 * days, 2 * days + 2)
        assert lengths[1:] == [2, 24], table
    old = f"at < {(clock.now() - 2 * DAY).timestamp() * 1000}"
    entries = [
        await column(
            db, f"SELECT id FROM audit_entries WHERE workspace_id = '{one.workspace_id}' AND {old}"
        )
        for one in owners
    ]
    assert [bool(some) for some in entries] == [True, False, True]


@on_sqlite
async def test_the_room_of_what_went_is_used_again(db, owner, clock):
    device = await enrolled(db, owner)
    cleared = Clearing(db, Kept(KEPT))

    async def pages() -> int:
        return (await column(db, "SELECT page_count FROM pragma_page_count()"))[0]

    await add_days(db, [device.id], clock, range(-3, 0), rows=400)
    sizes = []
    for _ in range(4):
        clock.advance(days=3)
        await add_days(db, [device.id], clock, range(-3, 0), rows=400)
        await clear(db, cleared)
        sizes.append(await pages())
    assert sizes[-1] <= sizes[0] * 1.1
    assert await column(db, "SELECT freelist_count > 0 FROM pragma_freelist_count()") == [1]


async def test_events_go_row_by_row(db, owner, clock):
    device = await enrolled(db, owner)
    text = events.EventText("made.up", "made up")
    async with db.write() as tx:
        for at in range(10):
            await events.append(tx, [events.row_of(device.ref, text, clock.now() - at * DAY)])
    await clear(db, Clearing(db, Kept(KEPT)))
    ages = await column(db, "SELECT at FROM events WHERE event = 'made.up'")
    assert len(ages) == 5


@pytest.mark.parametrize("kept", [Retention(), KEPT])
def test_the_longest_time_is_taken_kind_by_kind(kept):
    all_kept = Kept(kept)
    all_kept.choose({"a": Retention(logs=100 * DAY), "b": Retention(telemetry=DAY)})
    assert all_kept.longest().logs == 100 * DAY
    assert all_kept.longest().telemetry == 14 * DAY
    assert all_kept.of("b").telemetry == DAY
    assert all_kept.of("c") == kept
