"""A database moved to the other engine: row by row, through kills, and never half of it served."""

import asyncio
import os
import signal
import stat

import pytest
import sqlalchemy as sa

from conftest import ENGINES
from moorage.kit.ids import new_row_id
from moorage.server.copying import copy
from moorage.server.opening import SetupError, opened
from moorage.storage import StorageError, Unfinished, alive, open_database
from moorage.storage.archive import copying
from support.engines import on_sqlite
from support.places import contents, empty_place
from support.prestarted import prestarted
from support.senders import column, enrolled

WITHIN_S = 60
LINES = sa.text(
    "INSERT INTO log_lines (device_id, at, id, received_at, service, severity, message) "
    "VALUES (:device_id, :at, :id, :at, 'a', 'info', :message)"
)


def nothing(_table, _rows, _done):
    """Nobody looks."""


@pytest.fixture
def place(engine, postgres, tmp_path):
    """An empty database of the other engine."""
    other = next(name for name in ENGINES if name != engine)
    with empty_place(other, tmp_path / "place", postgres, tmp_path / "keys") as made:
        yield made


@pytest.fixture
async def lines(db, owner):
    """A device and a few hundred of its log lines."""
    device = await enrolled(db, owner)
    return await add_lines(db, device.id, 300)


async def add_lines(db, device_id, count):
    rows = [
        {"device_id": device_id, "at": 1000 + number, "id": new_row_id(), "message": "ä" * 20}
        for number in range(count)
    ]
    async with db.write() as tx:
        await tx.run(LINES, rows)
    return device_id


async def test_every_row_of_every_table_is_there_and_nothing_is_voided(
    db, lines, place, database_url
):
    copied = await copy(database_url, place.database_url, told=nothing)
    there, here = await contents(database_url), await contents(place.database_url)
    assert there == here
    assert {one.name: one.rows for one in copied} == {
        name: rows.total() for name, rows in there.items()
    }
    assert {one.name for one in copied if one.rows} >= {"devices", "keys", "log_lines"}


@on_sqlite
async def test_what_was_copied_over_comes_back_as_it_was(db, lines, place, database_url, tmp_path):
    back = tmp_path / "back" / "moorage.db"
    await copy(database_url, place.database_url, told=nothing)
    await copy(place.database_url, f"sqlite:///{back}", told=nothing)
    assert await contents(database_url) == await contents(f"sqlite:///{back}")
    assert stat.S_IMODE(back.stat().st_mode) == 0o600


class StoppedHereError(Exception):
    """As if the process had ended between two steps."""


async def test_a_copy_stopped_after_any_step_goes_on_and_ends_alike(
    db, lines, place, database_url, monkeypatch
):
    monkeypatch.setattr(copying, "_ROWS_AT_ONCE", 40)
    steps = []

    def stop_now_and_then(table, rows, _done):
        steps.append((table, rows))
        if table == "log_lines" or len(steps) % 7 == 0:
            raise StoppedHereError

    for _ in range(100):
        try:
            await copy(database_url, place.database_url, told=stop_now_and_then)
        except StoppedHereError:
            continue
        break
    # No step was done twice: what a run had committed, the next one did not do again.
    assert len(steps) == len(set(steps))
    assert [rows for table, rows in steps if table == "log_lines"] == [*range(40, 300, 40), 300]
    assert await contents(database_url) == await contents(place.database_url)


async def rows_there(url):
    """How many log lines the target has, by its own account; None before there is one."""
    target = open_database(url)
    try:
        return (await column(target, "SELECT rows FROM copy_progress WHERE name = 'log_lines'"))[0]
    except (StorageError, sa.exc.DBAPIError, IndexError):
        return None
    finally:
        await target.close()


async def test_a_copy_killed_half_way_is_finished_by_running_it_again(
    db, lines, place, database_url, tmp_path
):
    await add_lines(db, lines, 40_000)
    command = ["copy", "--from", database_url, "--to", place.database_url]
    env = {name: value for name, value in os.environ.items() if not name.startswith("MOORAGE_")}
    kills = 0
    for _ in range(2):
        before = await rows_there(place.database_url) or 0
        with (tmp_path / "said").open("wb") as out, (tmp_path / "nothing").open("ab+") as none:
            process = prestarted().spawn(command, env, [none.fileno(), out.fileno(), out.fileno()])
        async with asyncio.timeout(WITHIN_S):
            while process.poll() is None:
                if (await rows_there(place.database_url) or 0) > before:
                    break
                await asyncio.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills, (tmp_path / "said").read_text()
    assert 0 < await rows_there(place.database_url) < 40_300
    with pytest.raises(Unfinished, match="Run the same"):
        async with opened(place):
            pass
    done = prestarted().run(command, env)
    assert done.returncode == 0, done.stderr
    assert "count and sum alike" in done.stdout
    assert await contents(database_url) == await contents(place.database_url)
    async with opened(place):
        pass


async def test_a_source_that_changed_between_two_runs_is_found_out(
    db, lines, place, database_url, monkeypatch
):
    monkeypatch.setattr(copying, "_ROWS_AT_ONCE", 40)

    def stop(table, rows, _done):
        if table == "log_lines" and rows >= 80:
            raise StoppedHereError

    with pytest.raises(StoppedHereError):
        await copy(database_url, place.database_url, told=stop)
    async with db.write() as tx:
        await tx.run(sa.text("UPDATE log_lines SET message = 'another' WHERE at = 1003"))
    with pytest.raises(StorageError, match="log_lines has 300 rows"):
        await copy(database_url, place.database_url, told=nothing)
    with pytest.raises(Unfinished):
        async with opened(place):
            pass


async def test_a_server_that_was_started_meanwhile_is_found_out(db, lines, place, database_url):
    async with db.write() as tx:
        await alive.mark(tx)
    turns = 0

    async def start():
        async with db.write() as tx:
            await tx.run(sa.text("UPDATE alive_marks SET at = at + 5000"))

    def started(_table, _rows, _done):
        nonlocal turns
        turns += 1
        if turns == 5:
            starting.append(asyncio.get_running_loop().create_task(start()))

    starting = []
    with pytest.raises(StorageError, match="a server ran on the source"):
        await copy(database_url, place.database_url, told=started)
    await asyncio.gather(*starting)


@on_sqlite
async def test_a_source_that_a_server_runs_on_is_refused(running, place, database_url):
    with pytest.raises(SetupError, match="stop it"):
        await copy(database_url, place.database_url, told=nothing)


async def test_a_target_that_holds_something_is_left_alone(db, lines, place, database_url):
    async with opened(place):
        pass
    before = await contents(place.database_url)
    with pytest.raises(StorageError, match="empty one only"):
        await copy(database_url, place.database_url, told=nothing)
    assert await contents(place.database_url) == before


@on_sqlite
async def test_a_source_of_another_schema_and_one_that_is_not_there_are_said_so(
    db, place, database_url, tmp_path
):
    with pytest.raises(SetupError, match="no database"):
        await copy(f"sqlite:///{tmp_path}/absent.db", place.database_url, told=nothing)
    assert not (tmp_path / "absent.db").exists()
    with pytest.raises(SetupError, match="--to is wrong"):
        await copy(database_url, "mysql://x", told=nothing)
    async with db.write() as tx:
        await tx.run(sa.text("UPDATE alembic_version SET version_num = '0000'"))
    with pytest.raises(StorageError, match="schema version 0000"):
        await copy(database_url, place.database_url, told=nothing)
