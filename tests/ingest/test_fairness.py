"""Too much is turned away from who sends it, while others find room."""

import asyncio
import contextlib

import pytest

from conftest import make_owner
from moorage.core.errors import Kind
from moorage.ingest import Ingest, IngestLimits, Received, Retention
from support.engines import on_sqlite
from support.senders import enrolled, line, outcome


@contextlib.asynccontextmanager
async def bounded(db, **limits):
    """Ingest that has taken nothing up yet; it starts when told to, and ends with the block."""
    ingest = Ingest(db, retention=Retention(), limits=IngestLimits(**limits))
    yield ingest
    ingest.start()
    await ingest.stop()


async def begun(tasks) -> list:
    all_of_them = [asyncio.create_task(task) for task in tasks]
    for _ in range(5):
        await asyncio.sleep(0)
    return all_of_them


@pytest.fixture
async def fleet(db, owner):
    return [await enrolled(db, owner, f"camera {number}") for number in range(8)]


@pytest.fixture
async def neighbour(db):
    return await enrolled(db, await make_owner(db, "neighbour"), "theirs")


def report(device, clock, number=1):
    return device.simple(clock.now(), number, logs=[line(clock.now())])


@on_sqlite
async def test_a_device_has_so_many_places_and_others_theirs(db, clock, fleet):
    noisy, other = fleet[:2]
    async with bounded(db, per_device=3) as ingest:
        waiting = await begun(
            outcome(ingest, report(noisy, clock, number)) for number in range(1, 4)
        )
        refusal = await outcome(ingest, report(noisy, clock, 4))
        assert (refusal.kind, refusal.code) == (Kind.UNAVAILABLE, "too_many_waiting")
        assert 1 <= refusal.retry_after_s <= 15
        waiting += await begun([outcome(ingest, report(other, clock))])
        ingest.start()
        assert [type(one) for one in await asyncio.gather(*waiting)] == [Received] * 4
        assert isinstance(await outcome(ingest, report(noisy, clock, 4)), Received)
        assert ingest.refused_reports == 1


@on_sqlite
async def test_the_last_places_are_not_for_who_has_the_most(db, clock, fleet, neighbour):
    async with bounded(db, queued_reports=5, batch_reports=1) as ingest:
        waiting = await begun(outcome(ingest, report(one, clock)) for one in fleet[:4])
        refusal = await outcome(ingest, report(fleet[4], clock))
        assert refusal.code == "overloaded"
        waiting += await begun([outcome(ingest, report(neighbour, clock))])
        ingest.start()
        assert [type(one) for one in await asyncio.gather(*waiting)] == [Received] * 5


@on_sqlite
async def test_a_neighbour_is_answered_with_the_next_batch(db, clock, fleet, neighbour):
    async with bounded(db, batch_reports=2) as ingest:
        crowd = await begun(outcome(ingest, report(one, clock)) for one in fleet)
        theirs = await begun([outcome(ingest, report(neighbour, clock))])
        ingest.start()
        await theirs[0]
        assert ingest.committed_batches == 1
        await asyncio.gather(*crowd)


@on_sqlite
async def test_only_who_would_be_written_soon_is_let_in(db, clock, fleet, neighbour):
    async with bounded(db, batch_reports=2, soon_s=0.0) as ingest:
        ingest.start()
        assert isinstance(await outcome(ingest, report(fleet[0], clock)), Received)
        async with db.write():  # nothing else is written meanwhile
            waiting = await begun(outcome(ingest, report(one, clock, 2)) for one in fleet[:2])
            for _ in range(1_000):
                if not ingest.queued_reports:
                    break  # those two are the batch that is under way
                await asyncio.sleep(0.01)
            waiting += await begun(outcome(ingest, report(one, clock, 2)) for one in fleet[2:4])
            assert (await outcome(ingest, report(fleet[5], clock))).code == "overloaded"
            waiting += await begun([outcome(ingest, report(neighbour, clock))])
        answers = await asyncio.gather(*waiting)
    assert [type(one) for one in answers] == [Received] * 5


@on_sqlite
async def test_that_there_is_no_room_is_said_before_a_report_is_read(db, clock, fleet):
    async with bounded(db, queued_reports=1) as ingest:
        ingest.check_room(fleet[0].ref)
        waiting = await begun([outcome(ingest, report(fleet[0], clock))])
        with pytest.raises(Exception, match="more reports waiting"):
            ingest.check_room(fleet[1].ref)
        ingest.start()
        await asyncio.gather(*waiting)
        ingest.check_room(fleet[1].ref)


@on_sqlite
async def test_how_long_a_lone_report_took_turns_no_crowd_away(db, clock, fleet):
    async with bounded(db, per_device=16) as ingest:
        ingest.start()
        async with db.write():
            alone = await begun([outcome(ingest, report(fleet[0], clock))])
            await asyncio.sleep(0.05)
        await asyncio.gather(*alone)
        crowd = [report(one, clock, number) for number in range(2, 15) for one in fleet]
        answers = await asyncio.gather(*(outcome(ingest, one) for one in crowd))
    assert [type(one) for one in answers] == [Received] * 104
