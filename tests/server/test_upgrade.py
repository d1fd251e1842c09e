"""Upgrading: looked at first, backed up, and whole or not at all, whoever is killed when."""

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections import namedtuple
from pathlib import Path

import pytest
import sqlalchemy as sa

from moorage.server import load_settings
from moorage.server.opening import SetupError
from moorage.server.restore import restore
from moorage.server.upgrade import upgrade
from moorage.storage import NewerDatabase, StorageError, migrate, open_database, preflight
from support.engines import on_postgresql, on_sqlite
from support.history import longer
from support.places import empty_place
from support.prestarted import prestarted
from support.senders import column
from support.wheel import clean_env

WITHIN_S = 60
NEWEST = "9002"


@pytest.fixture
def settings(database_url, tmp_path):
    return load_settings(data=tmp_path / "data", database=database_url, keys_dir=tmp_path / "keys")


@pytest.fixture
async def older(db, tmp_path, monkeypatch):
    """The database of before, with one row; this program is two steps ahead of it."""
    async with db.write() as tx:
        await tx.run(sa.text("INSERT INTO job_turns (job, next_at) VALUES ('purge', 1)"))
    before = migrate.newest_version()
    scripts = longer(tmp_path, tmp_path / "nowhere" / "half")
    monkeypatch.setattr(migrate, "_SCRIPTS", scripts)
    return before


async def notes(db):
    return await column(db, "SELECT note FROM added")


async def test_an_older_database_is_backed_up_then_migrated(db, older, settings):
    done = await upgrade(settings)
    assert (done.before, done.after) == (older, NEWEST)
    assert await notes(db) == ["whole"]
    assert stat.S_IMODE(done.backup.stat().st_mode) == 0o600
    assert older in done.backup.name
    again = await upgrade(settings)
    assert again.backup is None, "there is nothing to do"


async def test_a_backup_of_an_older_release_is_restored_and_migrated(
    db, older, settings, tmp_path, postgres, engine
):
    done = await upgrade(settings, target=tmp_path / "before.zip")
    assert done.backup == tmp_path / "before.zip"
    with empty_place(engine, tmp_path / "place", postgres, tmp_path / "keys") as place:
        restored = await restore(place, done.backup, passphrase=None)
        assert restored.manifest.schema == older
        there = open_database(place.database_url)
        assert await migrate.current_version(there) == NEWEST
        assert await notes(there) == ["whole"]
        await there.close()


async def test_without_a_backup_none_is_made(db, older, settings, tmp_path):
    before = sorted(path.name for path in tmp_path.rglob("*before-migration*"))
    done = await upgrade(settings, backup=False)
    assert done.backup is None
    assert await notes(db) == ["whole"]
    assert sorted(path.name for path in tmp_path.rglob("*before-migration*")) == before


async def test_looking_changes_nothing(db, older, settings, tmp_path):
    done = await upgrade(settings, only_look=True)
    assert not done.done
    assert await migrate.current_version(db) == older
    assert list(tmp_path.rglob("*before-migration*")) == []


async def test_a_newer_database_is_refused(db, settings):
    async with db.write() as tx:
        await tx.run(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(NewerDatabase, match="newer release"):
        await upgrade(settings)


usage = namedtuple("usage", "total used free")  # noqa: PYI024 - as shutil has it


async def test_too_little_room_is_found_before_anything_is_changed(
    db, older, settings, monkeypatch
):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(2**40, 2**40 - 2**20, 2**20))
    with pytest.raises(SetupError, match=r"nothing was changed.*1 MiB free.*--no-backup"):
        await upgrade(settings)
    assert await migrate.current_version(db) == older


@pytest.fixture
def elsewhere(tmp_path):
    """A folder on another disk than the database's."""
    memory = Path("/dev/shm")
    if not memory.exists() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system to write to")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


class Disks:
    """Two disks with as much room as a test says, in bytes."""

    def __init__(self, monkeypatch, folder, elsewhere) -> None:
        self._free = {folder.stat().st_dev: 2**40, elsewhere.stat().st_dev: 2**40}
        self._folder, self._elsewhere = folder, elsewhere
        monkeypatch.setattr(shutil, "disk_usage", self._usage)

    def set(self, *, own: int, other: int) -> None:
        self._free[self._folder.stat().st_dev] = own
        self._free[self._elsewhere.stat().st_dev] = other

    def _usage(self, path):
        free = self._free[Path(path).stat().st_dev]
        return usage(2**40, 2**40 - free, free)


@on_sqlite
async def test_each_disk_needs_room_for_what_is_written_to_it(
    db, older, settings, tmp_path, elsewhere, monkeypatch
):
    disks, target = Disks(monkeypatch, tmp_path, elsewhere), elsewhere / "before.zip"
    large = 512 * 2**20
    files = (db.path, db.path.with_name(f"{db.path.name}-wal"))
    size = sum(file.stat().st_size for file in files if file.exists())
    assert size < 16 * 2**20
    with db.path.open("r+b") as file:
        file.truncate(large)  # SQLite goes by its header, not by how long the file is
    enough = large + 96 * 2**20
    disks.set(own=enough, other=large // 2)
    with pytest.raises(SetupError, match=rf"{elsewhere} has 256 MiB free.* for a backup;"):
        await upgrade(settings, target=target, only_look=True)
    disks.set(own=large // 2, other=3 * large)
    with pytest.raises(SetupError, match=r"has 256 MiB free.* for the work; make room$"):
        await upgrade(settings, target=target, only_look=True)
    disks.set(own=enough, other=3 * large)
    await upgrade(settings, target=target, only_look=True)
    with pytest.raises(SetupError, match=r"for a backup and the work;"):
        await upgrade(settings, only_look=True)


async def test_a_folder_is_made_only_for_a_backup_that_nobody_named(db, older, settings, tmp_path):
    with pytest.raises(StorageError, match="cannot be written"):
        await upgrade(settings, target=tmp_path / "backups" / "before.zip")
    assert not (tmp_path / "backups").exists()
    assert await migrate.current_version(db) == older


async def test_a_backup_that_cannot_be_written_stops_it(db, older, settings, tmp_path):
    (tmp_path / "taken").write_text("something else")
    with pytest.raises(StorageError, match="choose another name"):
        await upgrade(settings, target=tmp_path / "taken")
    assert await migrate.current_version(db) == older


@on_sqlite
async def test_a_damaged_file_is_left_as_it_is(db, older, settings):
    await db.close()
    raw = bytearray(db.path.read_bytes())
    raw[4096 * 20 : 4096 * 40] = bytes(range(256)) * 16 * 20
    db.path.write_bytes(raw)
    with pytest.raises(StorageError, match=r"damaged|malformed"):
        await upgrade(settings)
    assert [path.name for path in db.path.parent.glob("*before-migration*")] == []


@on_postgresql
async def test_a_role_that_may_not_is_told_so(db, older, settings, postgres, tmp_path):
    name = sa.make_url(settings.database_url).database
    postgres.run_sql(f"CREATE ROLE reader_{name} LOGIN")
    grants = "GRANT SELECT ON ALL TABLES IN SCHEMA public"
    postgres.run_sql(f"{grants} TO reader_{name}", name)
    url = settings.database_url.replace("moorage@", f"reader_{name}@")
    other = load_settings(data=tmp_path / "data", database=url, keys_dir=tmp_path / "keys")
    try:
        with pytest.raises(SetupError, match=r"may not create tables.*belongs to another role"):
            await upgrade(other)
    finally:
        postgres.run_sql(f"DROP OWNED BY reader_{name}", name)
        postgres.run_sql(f"DROP ROLE reader_{name}")
    assert await migrate.current_version(db) == older


@on_postgresql
async def test_a_postgresql_too_old_is_told_so(db, older, settings, monkeypatch):
    monkeypatch.setattr(preflight, "_LEAST_POSTGRESQL", 99)
    with pytest.raises(SetupError, match="needs 99 or newer"):
        await upgrade(settings)


async def test_a_migration_killed_half_way_has_changed_nothing_and_is_run_again(
    db, settings, database_url, tmp_path
):
    """The process dies in the second of two steps, when half of its work is done."""
    async with db.write() as tx:
        await tx.run(sa.text("INSERT INTO job_turns (job, next_at) VALUES ('purge', 1)"))
    before = migrate.newest_version()
    half = tmp_path / "waiting" / "half"
    half.parent.mkdir()
    code = (
        "import pathlib, sys; from moorage.storage import migrate; "
        f"migrate._SCRIPTS = pathlib.Path({str(longer(tmp_path, half))!r}); "
        "from moorage.cli import main; main()"
    )
    env = {name: value for name, value in os.environ.items() if not name.startswith("MOORAGE_")}
    env |= {"MOORAGE_DATABASE": database_url, "MOORAGE_DATA": str(settings.data)}
    command = [sys.executable, "-c", code, "migrate"]
    said = tmp_path / "said"
    with said.open("wb") as out:
        process = subprocess.Popen(command, env=env, stdout=out, stderr=out)  # noqa: ASYNC220
    try:
        async with asyncio.timeout(WITHIN_S):
            while not half.exists():
                assert process.poll() is None, said.read_text()
                await asyncio.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    half.unlink()
    half.parent.rmdir()
    assert await migrate.current_version(db) == before
    with pytest.raises(StorageError):
        await notes(db)
    again = await asyncio.to_thread(
        subprocess.run, command, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith(f"schema version {before} -> {NEWEST}\n")
    assert "What was there before is in" in again.stdout
    assert await notes(db) == ["whole"]
    assert list(tmp_path.rglob("*.partial")) == []


def moorage(*arguments):
    return prestarted().run([str(argument) for argument in arguments], clean_env())


def test_the_command_says_what_it_did_and_what_it_refuses(tmp_path):
    both = moorage("migrate", "--no-backup", "--backup", tmp_path / "b", "--data", tmp_path)
    assert both.returncode == 1
    assert "give one of them" in both.stderr
    nowhere = moorage("migrate", "--check", "--data", tmp_path / "absent")
    assert nowhere.returncode == 1
    assert "there is no database" in nowhere.stderr
    assert not (tmp_path / "absent").exists()
