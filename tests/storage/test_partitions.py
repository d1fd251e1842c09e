"""Days as tables of their own: made ahead, found by their time, dropped without anybody waiting."""

import asyncio
import re
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from moorage.core import logs
from moorage.core.caller import DeviceRef
from moorage.core.timeline import BY_DAY, Window
from moorage.kit.clock import to_ms
from moorage.kit.ids import new_row_id
from moorage.storage import StorageUnavailable, partitions
from moorage.storage.partitions import AHEAD_DAYS, DAY, Partition, wanted
from support.engines import on_postgresql

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
TODAY = datetime(2026, 11, 21, tzinfo=UTC)
TABLE = "log_lines"
SOON_S = 30


def day(at: datetime) -> Partition:
    return Partition(f"t_{at:%Y%m%d}", to_ms(at), to_ms(at + DAY))


def places_of(existing: list[Partition], at: datetime) -> int:
    """How many partitions would take a row of that time."""
    ms = to_ms(at)
    return len(
        [
            one
            for one in existing
            if (one.start_ms is None or one.start_ms <= ms)
            and (one.end_ms is None or ms < one.end_ms)
        ]
    )


@pytest.mark.parametrize(
    "existing",
    [
        [],
        [day(TODAY)],
        [day(TODAY + at * DAY) for at in range(-3, 9)],
        [day(TODAY + at * DAY) for at in (-30, -29, -12, 2)],
        [Partition("t_before", None, to_ms(TODAY - 5 * DAY))],
        [Partition("t_before", None, to_ms(TODAY + 2 * DAY))],
        [Partition("t_any", None, None)],
    ],
)
def test_every_row_from_the_oldest_kept_to_days_ahead_has_one_place(existing):
    since = NOW - timedelta(days=14, hours=3)
    after = [*existing, *wanted("t", existing, since=since, now=NOW)]
    hours = int((NOW + AHEAD_DAYS * DAY - since) / timedelta(hours=1))
    assert {places_of(after, since + timedelta(hours=at)) for at in range(hours + 1)} == {1}
    assert wanted("t", sorted(after, key=lambda one: one.start_ms or 0), since=since, now=NOW) == []


@pytest.fixture
async def days(db, clock):
    """A database of PostgreSQL with the days a server would make, in the place of one for all."""
    async with db.write() as tx:
        for table in BY_DAY:
            await tx.run(sa.text(f"DROP TABLE {table}_00000000"))
    for table in BY_DAY:
        await partitions.cover(db, table, since=clock.now() - 14 * DAY)
    return db


async def names(db) -> list[str]:
    async with db.read() as tx:
        return [one.name for one in await partitions.list_partitions(tx, TABLE)]


async def add(db, at: datetime, device_id: str = "d") -> None:
    at_ms = to_ms(at)
    row = logs.LogRow(device_id, at_ms, new_row_id(), None, at_ms, "s", "info", "m")
    async with db.write() as tx:
        await logs.append(tx, [row])


async def count(db) -> int:
    async with db.read() as tx:
        return (await tx.row(sa.text(f"SELECT count(*) AS n FROM {TABLE}"))).n


@on_postgresql
async def test_days_are_made_once_however_many_servers_start(days, clock):
    assert await names(days) == [
        f"{TABLE}_before_20261121",
        *(f"{TABLE}_{TODAY + at * DAY:%Y%m%d}" for at in range(AHEAD_DAYS + 1)),
    ]
    clock.advance(days=3)
    since = clock.now() - 14 * DAY
    made = await asyncio.gather(*(partitions.cover(days, TABLE, since=since) for _ in range(4)))
    assert sorted(name for some in made for name in some) == [
        f"{TABLE}_{TODAY + at * DAY:%Y%m%d}" for at in range(8, 11)
    ]


@on_postgresql
async def test_a_row_of_a_day_that_is_not_there_is_refused_for_now_and_taken_later(days, clock):
    clock.advance(days=20)
    with pytest.raises(StorageUnavailable):
        await add(days, clock.now())
    await partitions.cover(days, TABLE, since=clock.now() - 14 * DAY)
    await add(days, clock.now())
    assert await count(days) == 1


@on_postgresql
async def test_days_are_dropped_whole_once_their_last_row_is_too_old(days, clock):
    for at in range(-10, 4):
        await add(days, NOW + at * DAY)
    dropped = await partitions.drop_before(days, TABLE, TODAY + DAY)
    assert dropped == [f"{TABLE}_20261121", f"{TABLE}_before_20261121"]
    assert await count(days) == 3
    assert await partitions.whole_since(days, TABLE) == TODAY + DAY
    assert await partitions.drop_before(days, TABLE, TODAY + DAY) == []


@on_postgresql
async def test_a_longer_retention_finds_room_for_the_past_again(days, clock):
    await partitions.drop_before(days, TABLE, TODAY)
    await partitions.cover(days, TABLE, since=NOW - 60 * DAY)
    await add(days, NOW - 59 * DAY)
    assert await count(days) == 1


@on_postgresql
async def test_while_a_reader_holds_the_table_a_drop_waits_and_nobody_waits_for_it(days, clock):
    await add(days, NOW - DAY)
    async with days.read() as reading:
        await reading.rows(sa.text(f"SELECT * FROM {TABLE}"))
        dropping = asyncio.create_task(partitions.drop_before(days, TABLE, TODAY))
        async with asyncio.timeout(SOON_S):
            await left_the_table(days)
            for minute in range(20):
                await add(days, NOW + timedelta(minutes=minute))
            assert await count(days) == 20
        assert not dropping.done()
    async with asyncio.timeout(SOON_S):
        assert await dropping == [f"{TABLE}_before_20261121"]


async def left_the_table(db) -> None:
    while True:
        async with db.read() as tx:
            there = await partitions.list_partitions(tx, TABLE)
        if f"{TABLE}_before_20261121" not in [one.name for one in there if not one.leaving]:
            return
        await asyncio.sleep(0.01)


@on_postgresql
async def test_a_drop_that_was_cut_off_half_way_is_finished_by_the_next(days, clock):
    await add(days, NOW - DAY)
    async with days.read() as reading:
        await reading.rows(sa.text(f"SELECT * FROM {TABLE}"))
        dropping = asyncio.create_task(partitions.drop_before(days, TABLE, TODAY))
        async with asyncio.timeout(SOON_S):
            await left_the_table(days)
        dropping.cancel()
        await asyncio.wait([dropping], timeout=SOON_S)
    async with asyncio.timeout(SOON_S):
        # The server that was cut off may hold on to its turn for a moment.
        while await partitions.drop_before(days, TABLE, TODAY) == []:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert f"{TABLE}_before_20261121" not in await names(days)
    await partitions.cover(days, TABLE, since=NOW - 14 * DAY)
    await add(days, NOW - DAY)
    assert await count(days) == 1


async def explained(db, device_id: str, where: str) -> list[str]:
    sql = (
        f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT * FROM {TABLE} "
        f"WHERE device_id = '{device_id}' AND {where} ORDER BY at DESC, id DESC LIMIT 51"
    )
    async with db.read() as tx:
        return [row[0] for row in await tx.rows(sa.text(sql.replace(":", "\\:")))]


def read_in(plan: list[str]) -> set[str]:
    """Names of the partitions that were really looked into."""
    looked = [line for line in plan if "never executed" not in line]
    return {found[1] for line in looked if (found := re.search(rf" on ({TABLE}_\S+) ", line))}


@on_postgresql
async def test_a_page_looks_into_the_days_it_is_of_and_no_others(days, clock, owner):
    async with days.write() as tx:
        await tx.run(
            sa.text(
                f"INSERT INTO {TABLE} (device_id, at, id, received_at, service, severity, message) "
                f"SELECT 'd' || n % 20, {to_ms(TODAY)} + n * 30000::bigint, n, 0, 's', 'info', '' "
                "FROM generate_series(1, 20000) AS n"
            )
        )
        await tx.run(sa.text(f"ANALYZE {TABLE}"))
    newest = await explained(days, "d7", "true")
    assert "Sort" not in " ".join(newest), "days are read in their order, and only as far as needed"
    assert read_in(newest) == {f"{TABLE}_20261127", f"{TABLE}_20261128"}
    cursor = to_ms(TODAY + timedelta(days=3, hours=20))
    further = await explained(days, "d7", f"(at, id) < ({cursor}, 5) AND at <= {cursor}")
    assert read_in(further) == {f"{TABLE}_20261124"}
    window = f"at >= {to_ms(TODAY + DAY)} AND at < {to_ms(TODAY + 2 * DAY)}"
    assert read_in(await explained(days, "d7", window)) == {f"{TABLE}_20261122"}
    assert not [line for line in further if "Seq Scan" in line]
    # The statements above are those of the store, in which the names stand between quotes.
    device = DeviceRef("d7", owner.workspace_id, live=True)
    seen, cursor_text = [], None
    async with days.read() as tx:
        for _ in range(40):
            page = await logs.list_lines(tx, owner, device, Window(), cursor=cursor_text, limit=50)
            seen += [line.at for line in page.items]
            cursor_text = page.next_cursor
            if cursor_text is None:
                break
    assert len(seen) == 1000
    assert seen == sorted(seen, reverse=True)
