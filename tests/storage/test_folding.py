"""SQLite's log is folded back into its file beside a writer, and nothing is lost by it."""

import shutil
import sqlite3

import sqlalchemy as sa

from moorage.storage.folding import fold
from support.engines import on_postgresql, on_sqlite


async def add(db, name: str) -> None:
    async with db.write() as tx:
        await tx.run(sa.text("INSERT INTO job_turns VALUES (:name, 0)"), {"name": name})


@on_sqlite
async def test_what_was_committed_stands_in_the_file_itself_afterwards(db, tmp_path):
    await add(db, "before")
    async with db.write() as tx:  # a writer at work is not waited for, and does not wait
        await tx.run(sa.text("INSERT INTO job_turns VALUES ('during', 0)"))
        await fold(db)
    shutil.copy(db.path, tmp_path / "alone.db")
    with sqlite3.connect(tmp_path / "alone.db") as alone:
        found = alone.execute("SELECT job FROM job_turns").fetchall()
    assert ("before",) in found
    assert ("during",) not in found
    async with db.read() as tx:
        rows = await tx.rows(sa.text("SELECT job FROM job_turns ORDER BY job"))
    assert [row.job for row in rows] == ["before", "during"]


@on_postgresql
async def test_there_is_nothing_to_fold_on_postgresql(db):
    await add(db, "before")
    await fold(db)
    async with db.read() as tx:
        assert (await tx.row(sa.text("SELECT count(*) AS n FROM job_turns"))).n == 1
