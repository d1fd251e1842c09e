"""Migrations: whole or not at all, with a copy of the file before, and never backwards."""

import asyncio
import shutil
import sqlite3

import pytest
import sqlalchemy as sa

from moorage.storage import NewerDatabase, migrate, open_database
from support.engines import on_sqlite

NEXT = '''"""A longer history than this release's."""

import sqlalchemy as sa
from alembic import op

revision = "9001"
down_revision = "{before}"


def upgrade() -> None:
    op.create_table("added", sa.Column("id", sa.Text(), nullable=False))
    op.execute("INSERT INTO added (id) SELECT job FROM job_turns")
    {then}
'''


@pytest.fixture
def longer(monkeypatch, tmp_path):
    """Make this release's history one step longer; what comes last in that step is given."""

    def extend(then: str = "") -> str:
        before = migrate.newest_version()
        scripts = tmp_path / "migrations"
        shutil.copytree(migrate._SCRIPTS, scripts)
        step = NEXT.format(before=before, then=then or "pass")
        (scripts / "versions" / "9001_added.py").write_text(step)
        monkeypatch.setattr(migrate, "_SCRIPTS", scripts)
        return before

    return extend


@pytest.fixture
async def turn(db):
    """One row that is to be there afterwards."""
    async with db.write() as tx:
        await tx.run(sa.text("INSERT INTO job_turns (job, next_at) VALUES ('purge', 1)"))


async def ids_added(db) -> list[str]:
    async with db.read() as tx:
        return [row.id for row in await tx.rows(sa.text("SELECT id FROM added"))]


async def test_a_migrated_database_is_left_alone(db):
    assert await migrate.check_version(db)
    assert await migrate.current_version(db) == migrate.newest_version()
    assert await migrate.migrate(db) is None


async def test_a_database_a_newer_release_migrated_is_refused_with_what_to_do(db):
    async with db.write() as tx:
        await tx.run(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    for ask in (migrate.check_version, migrate.migrate):
        with pytest.raises(NewerDatabase) as refusal:
            await ask(db)
        said = str(refusal.value)
        assert "9999" in said
        assert "newer release" in said
        assert "restore a backup" in said
    async with db.read() as tx:
        row = await tx.row(sa.text("SELECT version_num FROM alembic_version"))
    assert row.version_num == "9999", "nothing was touched"


async def test_an_older_database_goes_on_with_what_it_holds(db, turn, longer):
    before = longer()
    assert not await migrate.check_version(db)
    assert await migrate.current_version(db) == before
    await migrate.migrate(db)
    assert await migrate.check_version(db)
    assert await ids_added(db) == ["purge"]


@on_sqlite
async def test_a_copy_of_the_file_is_made_before_it_is_migrated(db, turn, longer):
    before = longer()
    copy = await migrate.migrate(db)
    assert copy.parent == db.path.parent
    assert before in copy.name
    assert copy.stat().st_mode & 0o777 == 0o600, "it holds what the database holds"
    kept = open_database(f"sqlite:///{copy}")
    assert await migrate.current_version(kept) == before
    async with kept.read() as tx:
        rows = await tx.rows(sa.text("SELECT job FROM job_turns"))
        tables = await tx.rows(sa.text("SELECT name FROM sqlite_master WHERE name = 'added'"))
    await kept.close()
    assert [row.job for row in rows] == ["purge"]
    assert tables == []


@on_sqlite
async def test_the_copy_holds_what_is_still_in_the_log(db, turn, longer):
    """What was committed is in the write-ahead log first, and the server may have been killed."""
    longer()
    assert db.path.with_name(db.path.name + "-wal").stat().st_size > 0
    copy = await migrate.migrate(db)
    with sqlite3.connect(copy) as kept:
        assert kept.execute("SELECT job FROM job_turns").fetchall() == [("purge",)]
        assert kept.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def test_a_new_file_needs_no_copy(tmp_path):
    db = open_database(f"sqlite:///{tmp_path}/fresh/moorage.db")
    (tmp_path / "fresh").mkdir()
    assert await migrate.migrate(db) is None
    await db.close()
    assert [path.name for path in (tmp_path / "fresh").iterdir()] == ["moorage.db"]


async def test_a_migration_that_fails_half_way_leaves_the_database_as_it_was(db, turn, longer):
    before = longer(then="raise ZeroDivisionError")
    with pytest.raises(ZeroDivisionError):
        await migrate.migrate(db)
    assert await migrate.current_version(db) == before
    async with db.read() as tx:
        there = sa.text("SELECT count(*) AS n FROM job_turns")
        assert (await tx.row(there)).n == 1
    with pytest.raises(Exception, match=r"added|SQLSTATE"):
        await ids_added(db)
    async with db.write() as tx:  # and nobody holds a lock on it
        await tx.run(sa.text("DELETE FROM job_turns"))


async def test_servers_that_migrate_at_once_do_it_once(db, turn, longer, database_url):
    longer()
    others = [open_database(database_url) for _ in range(3)]
    await asyncio.gather(*(migrate.migrate(one) for one in (db, *others)))
    for other in others:
        await other.close()
    assert await ids_added(db) == ["purge"]
