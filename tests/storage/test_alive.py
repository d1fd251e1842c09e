"""The alive-mark: what counts as an absence of the server's own, and what does not.

The figures are those of docs/decisions/0007-presence.md, written out: a mark every 5 s, away after
15 s without one, 60 s for the fleet to come back, two days of memory.
"""

import asyncio
from datetime import timedelta

import pytest

from moorage.storage import alive, open_database
from support.engines import on_sqlite


async def mark(db) -> None:
    async with db.write() as tx:
        await alive.mark(tx)


async def absences(db) -> list[tuple]:
    async with db.read() as tx:
        return [(one.began_at, one.ended_at) for one in await alive.absences(tx)]


@on_sqlite
async def test_a_server_that_was_never_there_was_never_away(db):
    assert await absences(db) == []


@on_sqlite
async def test_a_server_that_marks_in_time_was_never_away(db, clock):
    for _ in range(20):
        await mark(db)
        clock.advance(seconds=5)
    assert await absences(db) == []


@on_sqlite
async def test_three_missed_marks_are_a_busy_disk_and_more_are_an_absence(db, clock):
    await mark(db)
    clock.advance(seconds=15)
    await mark(db)
    assert await absences(db) == []
    last = clock.now()
    back = clock.advance(seconds=15, milliseconds=1)
    await mark(db)
    assert await absences(db) == [(last, back + timedelta(seconds=60))]


@on_sqlite
async def test_an_absence_counts_before_the_returning_server_has_marked_it(db, clock):
    await mark(db)
    last = clock.now()
    now = clock.advance(minutes=10)
    assert await absences(db) == [(last, now + timedelta(seconds=60))]


@on_sqlite
async def test_two_absences_that_touch_are_one(db, clock):
    await mark(db)
    began = clock.now()
    clock.advance(minutes=10)
    await mark(db)
    clock.advance(seconds=20)  # down again before the fleet was back
    await mark(db)
    assert await absences(db) == [(began, clock.now() + timedelta(seconds=60))]


@on_sqlite
async def test_two_absences_apart_stay_two_in_order(db, clock):
    expected = []
    for _ in range(2):
        await mark(db)
        began = clock.now()
        back = clock.advance(minutes=10)
        await mark(db)
        expected.append((began, back + timedelta(seconds=60)))
        for _ in range(30):
            clock.advance(seconds=5)
            await mark(db)
    assert await absences(db) == expected


async def test_while_one_of_two_servers_is_there_nobody_was_away(db, clock, database_url):
    other = open_database(database_url, clock=clock)
    await mark(other)
    for _ in range(12):
        clock.advance(seconds=10)
        await mark(db)
    await mark(other)
    await other.close()
    assert await absences(db) == []


async def test_servers_that_come_back_together_note_one_absence(db, clock):
    await mark(db)
    began = clock.now()
    back = clock.advance(minutes=5)
    await asyncio.gather(*(mark(db) for _ in range(5)))
    assert await absences(db) == [(began, back + timedelta(seconds=60))]


async def test_servers_that_start_together_on_an_empty_database_note_none(db):
    await asyncio.gather(*(mark(db) for _ in range(5)))
    assert await absences(db) == []


@on_sqlite
async def test_of_clocks_that_differ_the_one_behind_takes_no_mark_back(db, clock):
    await mark(db)
    clock.advance(minutes=-5)
    await mark(db)
    clock.advance(minutes=5)
    await mark(db)
    assert await absences(db) == []


@on_sqlite
async def test_an_absence_is_noted_though_the_clock_was_set_back_before_it(db, clock):
    clock.advance(hours=2)
    await mark(db)
    clock.advance(hours=-2)
    await mark(db)
    last = clock.now()
    back = clock.advance(minutes=3)
    await mark(db)
    assert await absences(db) == [(last, back + timedelta(seconds=60))]


@on_sqlite
async def test_an_absence_that_ends_in_time_to_come_was_none(db, clock):
    """The clock was ahead for a while; nobody is thought away for as long."""
    await mark(db)
    clock.advance(hours=2)
    await mark(db)
    clock.advance(hours=-2)
    await mark(db)
    assert await absences(db) == []


@on_sqlite
@pytest.mark.parametrize(("hours", "remembered"), [(47, True), (50, False)])
async def test_absences_are_remembered_for_two_days(db, clock, hours, remembered):
    await mark(db)
    began = clock.now()
    clock.advance(minutes=1)
    await mark(db)
    clock.advance(hours=hours)  # one long absence; its end is what clears out the old ones
    await mark(db)
    assert any(one[0] == began for one in await absences(db)) == remembered
