"""What is read of samples is what they add up to, however far summing up has come."""

import asyncio
import itertools
import math
from collections import defaultdict
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moorage.core import provisioning, rollups, streams, telemetry
from moorage.core.caller import DeviceRef
from moorage.core.timeline import Window
from moorage.ingest import Kept, Retention
from moorage.kit.clock import to_ms
from moorage.kit.ids import new_row_id
from moorage.server import rolling
from moorage.server.clearing import Clearing
from moorage.server.rolling import Rolling
from moorage.storage import open_database
from support.engines import on_postgresql
from support.senders import column

WIDTHS_S = (60, 120, 300, 900, 1800, 3600, 14_400, 28_800, 86_400)
HOUR_S = 3600
_names = itertools.count()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(rolling, "_PAUSE_S", 0)


async def made(db, owner) -> DeviceRef:
    async with db.write() as tx:
        device = await provisioning.register(tx, owner, name=f"device {next(_names)}")
        return device.device.ref


def row(device: DeviceRef, at: datetime, **more):
    base = {"device_id": device.device_id, "at": at, "id": new_row_id(), "device_at": None}
    return {**base, "received_at": at, **more}


async def told(tx, device: DeviceRef, samples) -> None:
    """Samples (time, cpu, temperature), each with the rates of a stream that go with them."""
    rows = [
        telemetry.SampleRow(
            device.device_id,
            at_ms := to_ms(at),
            new_row_id(),
            None,
            at_ms,
            cpu_percent=cpu,
            temperature_c=warm,
        )
        for at, cpu, warm in samples
    ]
    await telemetry.append(tx, rows)
    rates = [
        row(device, at, stream_id=f"s{at.second % 2}", camera_fps=cpu, inference_fps=warm)
        | {"sharpness": None}
        for at, cpu, warm in samples
    ]
    await streams.record(tx, {}, rates)


def mean(values):
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def added_up(samples, start: datetime, end: datetime, width_s: int):
    """Buckets of samples: {start: (how many, mean, lowest and highest cpu, mean temperature)}."""
    found = defaultdict(list)
    for at, cpu, warm in samples:
        if start <= at < end:
            since = int(at.timestamp() * 1000) // (width_s * 1000) * width_s
            found[datetime.fromtimestamp(since, UTC)].append((cpu, warm))
    return {
        at: (
            len(rows),
            mean(cpu for cpu, _ in rows),
            min((cpu for cpu, _ in rows if cpu is not None), default=None),
            max((cpu for cpu, _ in rows if cpu is not None), default=None),
            mean(warm for _, warm in rows),
        )
        for at, rows in sorted(found.items())
    }


async def read(db, owner, device, start: datetime, end: datetime, width_s: int):
    async with db.read() as tx:
        window, width = Window(start, end), timedelta(seconds=width_s)
        found = await telemetry.buckets(tx, owner, device, window, width=width)
    names = ("cpu_percent", "cpu_percent_min", "cpu_percent_max", "temperature_c")
    return {one.start: (one.samples, *(one.values[name] for name in names)) for one in found}


async def read_rates(db, owner, device, start: datetime, end: datetime, width_s: int):
    async with db.read() as tx:
        window, width = Window(start, end), timedelta(seconds=width_s)
        found = await streams.fps(tx, owner, device, window, width=width)
    return {
        (one.stream_id, at): (camera, inference)
        for one in found
        for at, camera, inference, _ in one.buckets
    }


def close_to(found, expected) -> None:
    assert list(found) == list(expected)
    for at, values in expected.items():
        for one, other in zip(found[at], values, strict=True):
            same = one == other if None in (one, other) else math.isclose(one, other, rel_tol=1e-9)
            assert same, (at, found[at], values)


class Killed(Exception):
    """The end of a server in the middle of a step."""


class Dying:
    """A database whose transactions end just before they would be committed."""

    def __init__(self, db) -> None:
        self._db = db

    @asynccontextmanager
    async def write(self):
        async with self._db.write() as tx:
            yield tx
            raise Killed


percents = st.one_of(st.none(), st.floats(0, 100).map(lambda value: round(value, 3)))
# Seconds ago: mostly just now, now and then hours or days late.
ages = st.one_of(st.integers(0, 90), st.integers(0, 3 * HOUR_S), st.integers(0, 13 * 24 * HOUR_S))
reports = st.tuples(
    st.just("report"), st.lists(st.tuples(ages, percents, percents), min_size=1, max_size=12)
)
times_pass = st.tuples(st.just("time"), st.sampled_from([1, 20, 61, 300, 1500]))
jobs = st.tuples(st.sampled_from(["close", "step", "step", "run", "dies closing", "dies"]))
reads = st.tuples(
    st.just("read"),
    st.sampled_from(WIDTHS_S),
    st.integers(0, 14 * 24 * HOUR_S),
    st.integers(0, 400),
)


@settings(
    max_examples=12,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(todo=st.lists(st.one_of(reports, reports, times_pass, jobs, reads), max_size=16))
async def test_buckets_are_those_of_all_samples_whatever_came_when(db, owner, clock, todo):
    """Samples in any order and lateness, between steps of the job that end well or do not."""
    device, job, doomed = await made(db, owner), Rolling(db), Rolling(Dying(db))
    samples = []
    for what, *how in [*todo, ("all",), ("run",), ("all",)]:
        now = clock.now()
        if what == "time":
            clock.advance(minutes=how[0])
        elif what == "report":
            came = [(now - timedelta(seconds=age), cpu, warm) for age, cpu, warm in how[0]]
            async with db.write() as tx:
                await told(tx, device, came)
            samples += came
        elif what == "run":
            await job.run()
        elif what == "step":
            await job.step()
        elif what == "close":
            async with db.write() as tx:
                await rollups.close(tx)
            await all_agree(db, owner, device, samples, now)
        elif what == "dies":
            with pytest.raises(Killed):
                await doomed.step()
        elif what == "dies closing":
            with pytest.raises(Killed):
                await doomed.run()
        elif what == "read":
            width_s, ago_s, count = how
            start = now - timedelta(seconds=ago_s, milliseconds=ago_s % 1000)
            end = start + timedelta(seconds=count * width_s)
            close_to(
                await read(db, owner, device, start, end, width_s),
                added_up(samples, start, end, width_s),
            )
        else:
            await all_agree(db, owner, device, samples, now)


async def all_agree(db, owner, device, samples, now) -> None:
    start, end = now - timedelta(days=20), now + timedelta(seconds=1)
    for width_s in (900, HOUR_S, 14_400):
        expected = added_up(samples, start, end, width_s)
        close_to(await read(db, owner, device, start, end, width_s), expected)
    rates = {}
    for second in (0, 1):
        own = [one for one in samples if one[0].second % 2 == second]
        for at, (_, camera, _, _, inference) in added_up(own, start, end, 1800).items():
            rates[f"s{second}", at] = (camera, inference)
    close_to(await read_rates(db, owner, device, start, end, 1800), rates)


async def days_of_samples(db, device, clock, days: float, every_s: int = 600):
    """Samples from so many days ago until now; the job ran all the while."""
    now = clock.now()
    count = int(days * 24 * HOUR_S // every_s)
    samples = [
        (now - timedelta(seconds=every_s * at + 5), float(at % 100), None)
        for at in reversed(range(count))
    ]
    async with db.write() as tx:
        await told(tx, device, samples)
    clock.advance(minutes=80)
    await Rolling(db).run()
    return samples


async def count(db, table: str, where: str = "1 = 1") -> int:
    return (await column(db, f"SELECT count(*) FROM {table} WHERE {where}"))[0]


async def test_reads_of_days_need_no_samples_but_those_of_the_last_hour_and_the_edge(
    db, owner, clock
):
    device = await made(db, owner)
    samples = await days_of_samples(db, device, clock, 15)
    now = clock.now()
    expected = {
        days: added_up(samples, now - timedelta(days=days), now, width_s)
        for days, width_s in ((7, 14_400), (14, 28_800))
    }
    last_hour = int((now - timedelta(minutes=80)).timestamp() * 1000)
    async with db.write() as tx:
        # Not one sample is left but what is not summed up yet.
        await tx.run(sa.text(f"DELETE FROM telemetry_samples WHERE at < {last_hour}"))
    for days, width_s in ((7, 14_400), (14, 28_800)):
        found = await read(db, owner, device, now - timedelta(days=days), now, width_s)
        lost = sum(one[0] for one in expected[days].values()) - sum(
            one[0] for one in found.values()
        )
        assert len(found) == len(expected[days])
        assert lost <= 1, "at most five minutes at the edge, where no row fits"


async def test_rollups_outlive_the_samples_and_samples_wait_for_their_rollups(db, owner, clock):
    device = await made(db, owner)
    samples = await days_of_samples(db, device, clock, 3)
    now = clock.now()
    late = (now - timedelta(hours=30), 50.0, None)
    async with db.write() as tx:
        await told(tx, device, [late])
        # An hour that is to be summed up again keeps its samples, and so do later ones.
        before = now - timedelta(hours=24)
        while await telemetry.purge(tx, [device.device_id], before=before, rows=100):
            pass
    oldest = min(await column(db, "SELECT at FROM telemetry_samples"))
    hour = rollups.hour_of(late[0])
    assert hour <= datetime.fromtimestamp(oldest / 1000, UTC) < hour + timedelta(minutes=10)
    await Rolling(db).run()
    async with db.write() as tx:
        while await telemetry.purge(tx, [device.device_id], before=before, rows=100):
            pass
    assert await count(db, "telemetry_samples") < 24 * 6
    start, end = rollups.hour_of(now - timedelta(days=2, hours=20)), now
    close_to(
        await read(db, owner, device, start, end, HOUR_S),
        added_up([*samples, late], start, end, HOUR_S),
    )


async def test_each_width_of_rollups_goes_in_its_own_time(db, owner, clock):
    device = await made(db, owner)
    await days_of_samples(db, device, clock, 1)
    for purge, table in (
        (telemetry.purge_rollups, "telemetry_rollups"),
        (streams.purge_rollups, "stream_rollups"),
    ):
        hours = await count(db, table, "width_s = 3600")
        before = clock.now() - timedelta(hours=12)
        steps = []
        async with db.write() as tx:
            while not steps or steps[-1]:
                gone = await purge(
                    tx, [device.device_id], width=rollups.FINE, before=before, rows=7
                )
                steps.append(gone)
        assert max(steps) == 7
        assert await count(db, table, "width_s = 3600") == hours
        oldest = min(await column(db, f"SELECT start FROM {table} WHERE width_s = 300"))
        assert oldest >= before.timestamp() * 1000
        async with db.write() as tx:
            while await purge(tx, [device.device_id], before=None, rows=100):
                pass
        assert await count(db, table) == 0


async def test_nothing_is_marked_while_devices_report_in_time(db, owner, clock):
    device = await made(db, owner)
    for _ in range(40):
        clock.advance(minutes=7)
        async with db.write() as tx:
            await told(tx, device, [(clock.now() - timedelta(seconds=90), 1.0, 2.0)])
        await Rolling(db).run_if_due()
        assert await count(db, "rollup_marks") == 0
    assert await count(db, "telemetry_rollups", "width_s = 3600") == 4


@on_postgresql
async def test_an_hour_is_not_closed_over_samples_that_are_not_committed(
    db, owner, clock, database_url
):
    device = await made(db, owner)
    async with db.write() as tx:
        await told(tx, device, [(clock.now(), 1.0, 1.0)])
    at = clock.now()
    clock.advance(minutes=75)
    other = open_database(database_url, clock=clock)
    async with db.write() as tx:
        await told(tx, device, [(at, 3.0, 3.0)])  # in an hour that is over, and not closed yet
        running = asyncio.create_task(Rolling(other).run())
        done, _ = await asyncio.wait([running], timeout=0.5)
        assert not done, "it waits for who appends"
    await running
    await other.close()
    found = await read(db, owner, device, at, clock.now(), HOUR_S)
    assert found == {at: (2, 2.0, 1.0, 3.0, 2.0)}
    assert await count(db, "rollup_marks") == 0
    assert await column(db, "SELECT samples FROM telemetry_rollups WHERE width_s = 3600") == [2]


@on_postgresql
async def test_a_mark_that_is_used_again_is_not_taken_before_its_samples_are_there(
    db, owner, clock, database_url
):
    device = await made(db, owner)
    past = clock.now() - timedelta(days=2)
    other = open_database(database_url, clock=clock)
    async with db.write() as tx:
        await told(tx, device, [(past, 1.0, 1.0)])
    async with db.write() as tx:
        await told(tx, device, [(past, 3.0, 3.0)])  # the mark is there already
        await Rolling(other).run()
    assert await count(db, "rollup_marks") == 1
    await Rolling(other).run()
    await other.close()
    assert await count(db, "rollup_marks") == 0
    assert await column(db, "SELECT samples FROM telemetry_rollups WHERE width_s = 3600") == [2]


async def test_three_servers_sum_up_each_hour_once(db, owner, clock, database_url):
    devices = [await made(db, owner) for _ in range(5)]
    others = [open_database(database_url, clock=clock) for _ in range(2)]
    at = clock.now()
    async with db.write() as tx:
        for device in devices:
            await told(tx, device, [(at, 1.0, 1.0), (at - timedelta(hours=30), 5.0, 5.0)])
    clock.advance(hours=30)
    await asyncio.gather(*(Rolling(one).run() for one in (db, *others)))
    await Rolling(db).run()
    for one in others:
        await one.close()
    for device in devices:
        found = await read(db, owner, device, at - timedelta(days=2), clock.now(), HOUR_S)
        assert [one[0] for one in found.values()] == [1, 1]
    rows = await column(db, "SELECT samples FROM telemetry_rollups WHERE width_s = 3600")
    assert rows == [1] * 10
    assert await count(db, "rollup_marks") == 0


async def test_reads_in_the_middle_of_a_walk_are_right(db, owner, clock, monkeypatch):
    monkeypatch.setattr(rolling, "_FIRST_HOURS", 1)
    devices = [await made(db, owner) for _ in range(4)]
    at = clock.now()
    async with db.write() as tx:
        for device in devices:
            await told(tx, device, [(at, 1.0, 1.0), (at + timedelta(minutes=20), 2.0, None)])
    clock.advance(minutes=90)
    async with db.write() as tx:
        assert await rollups.close(tx)
    job = Rolling(db)
    for _ in range(2):
        assert await job.step()
        for device in devices:
            found = await read(db, owner, device, at, clock.now(), HOUR_S)
            assert found == {at: (2, 1.5, 1.0, 2.0, 1.0)}
    assert 0 < await count(db, "telemetry_rollups", "width_s = 3600") < 4


async def test_samples_long_past_their_time_wait_for_the_job_also_in_days_of_their_own(
    db, owner, clock
):
    device, clearing = await made(db, owner), Clearing(db, Kept(Retention()))
    at = clock.now()
    async with db.write() as tx:
        await told(tx, device, [(at, 1.0, 2.0)])
    clock.advance(days=20)
    await clearing.run()
    assert await count(db, "telemetry_samples") == 1
    assert await count(db, "stream_samples") == 1
    await Rolling(db).run()
    await clearing.run()
    assert await count(db, "telemetry_samples") == 0
    assert await count(db, "stream_samples") == 0
    found = await read(db, owner, device, at - timedelta(hours=1), clock.now(), HOUR_S)
    assert found == {at: (1, 1.0, 1.0, 1.0, 2.0)}
