"""When the database will be full: from what was measured, and nothing from too little."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from moorage.storage import growth
from moorage.storage.growth import Forecast, Measured, forecast
from moorage.storage.sizes import Limits, Size, measure
from support.engines import on_sqlite

DAY = timedelta(days=1)
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
MIB = 1024 * 1024


def days(*mib: float) -> list[Measured]:
    return [Measured(NOON + n * DAY, int(size * MIB)) for n, size in enumerate(mib)]


@pytest.mark.parametrize("past", [[], days(5), days(5, 10)])
def test_from_too_little_nothing_is_said(past):
    said = forecast(past, used_bytes=10 * MIB, most_bytes=100 * MIB)
    assert said == Forecast(len(past))


def test_steady_growth_is_full_when_the_rest_is_used_up():
    said = forecast(days(10, 20, 30, 40), used_bytes=40 * MIB, most_bytes=100 * MIB)
    assert (said.days_measured, said.bytes_per_day) == (4, 10 * MIB)
    assert said.full_in_days == pytest.approx(6)


def test_one_odd_day_does_not_make_the_pace():
    even = forecast(days(*range(14)), used_bytes=14 * MIB, most_bytes=100 * MIB)
    odd = forecast(days(*range(13), 13.5), used_bytes=14 * MIB, most_bytes=100 * MIB)
    assert odd.full_in_days == pytest.approx(even.full_in_days, rel=0.1)


@pytest.mark.parametrize("past", [days(40, 40, 40), days(50, 40, 30), days(40, 41, 40, 39)])
def test_what_does_not_grow_is_never_full(past):
    said = forecast(past, used_bytes=40 * MIB, most_bytes=100 * MIB)
    assert said.full_in_days is None
    assert said.bytes_per_day <= 0


def test_without_a_limit_there_is_a_pace_and_no_day():
    said = forecast(days(1, 2, 3), used_bytes=3 * MIB, most_bytes=None)
    assert (said.bytes_per_day, said.full_in_days) == (MIB, None)


def test_a_day_far_away_is_not_told_as_if_it_were_known():
    said = forecast(days(1, 1.001, 1.002), used_bytes=MIB, most_bytes=1000 * MIB)
    assert said.full_in_days is None
    assert said.bytes_per_day > 0


def test_sizes_of_one_afternoon_are_no_days():
    past = [Measured(NOON + timedelta(hours=n), n * MIB) for n in range(3)]
    assert forecast(past, used_bytes=3, most_bytes=9) == Forecast(3)


def test_what_is_beyond_its_limit_is_full_now():
    said = forecast(days(10, 20, 30), used_bytes=30 * MIB, most_bytes=20 * MIB)
    assert said.full_in_days == 0


async def test_a_day_has_one_row_and_old_days_go(db, clock):
    for _ in range(70):
        for used in (1, 2):
            clock.advance(hours=1)
            async with db.write() as tx:
                await growth.note(tx, used)
        clock.advance(hours=22)
    async with db.read() as tx:
        past = await growth.measured(tx)
        rows = (await tx.row(sa.text("SELECT count(*) AS n FROM storage_sizes"))).n
    assert [one.used_bytes for one in past] == [2] * len(past)
    assert len(past) in (13, 14)
    assert rows in (60, 61)


async def test_a_database_is_measured(db):
    size = await measure(db)
    assert size.used_bytes > 100_000
    assert (size.free_bytes is None) is (db.engine.name == "postgresql")


@on_sqlite
async def test_pages_that_are_free_are_room(db):
    async def fill() -> None:
        async with db.write() as tx:
            await tx.run(sa.text("CREATE TABLE IF NOT EXISTS filler (x TEXT)"))
            await tx.run(sa.text("INSERT INTO filler VALUES (hex(zeroblob(2000000)))"))

    before = await measure(db)
    await fill()
    filled = await measure(db)
    assert filled.used_bytes >= before.used_bytes + 4_000_000
    async with db.write() as tx:
        await tx.run(sa.text("DELETE FROM filler"))
    emptied = await measure(db)
    assert emptied.used_bytes <= before.used_bytes + 20_000
    assert Limits(budget_bytes=100).most_bytes(Size(5)) == 95
