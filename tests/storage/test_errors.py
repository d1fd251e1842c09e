"""What can go wrong below, said in one set of words for both engines."""

import asyncio
import contextlib
import sqlite3
from datetime import UTC, datetime

import asyncpg
import pytest
import sqlalchemy as sa

from moorage.storage import (
    MissingParent,
    SQLiteDatabase,
    StorageBusy,
    StorageFull,
    StorageRefusesRow,
    StorageUnavailable,
    UniqueViolation,
    metadata,
    open_database,
)
from support.engines import on_postgresql, on_sqlite
from support.postgres import free_port

AT = datetime(2026, 11, 21, tzinfo=UTC)
SPACE = {
    "id": "acc_1",
    "slug": "acme",
    "name": "",
    "features": [],
    "retention": {},
    "created_at": AT,
}
DEVICE = {
    "id": "dev_1",
    "workspace_id": "acc_1",
    "live": True,
    "name": "",
    "type": "",
    "external_id": "e",
    "reference": "r",
    "facts": {},
    "created_at": AT,
    "approval": "approved",
}
LINK = {
    "device_id": "dev_1",
    "report_id": "x",
    "epoch": "",
    "sequence": 1,
    "digest": "",
    "chain": "",
    "ordered": True,
    "received_at": AT,
}


def insert(name: str):
    return sa.insert(metadata.tables[name])


@pytest.fixture
async def rows(db):
    async with db.write() as tx:
        await tx.run(insert("workspaces"), SPACE)
        await tx.run(insert("devices"), DEVICE)
        await tx.run(insert("report_ledger"), LINK)


TAKEN = [
    ("workspaces", SPACE | {"slug": "b"}, "pk_workspaces"),
    ("workspaces", SPACE | {"id": "acc_2"}, "uq_workspaces_slug"),
    (
        "devices",
        DEVICE | {"id": "dev_2", "external_id": None},
        "uq_devices_reference_workspace_id_live",
    ),
    (
        "devices",
        DEVICE | {"id": "dev_2", "reference": None},
        "uq_devices_external_id_workspace_id_live",
    ),
    ("report_ledger", LINK | {"sequence": 2}, "pk_report_ledger"),
]


async def test_a_unique_violation_names_its_constraint(db, rows):
    for table, row, constraint in TAKEN:
        with pytest.raises(UniqueViolation) as refusal:
            async with db.write() as tx:
                await tx.run(insert(table), row)
        assert refusal.value.constraint == constraint


async def test_a_row_whose_parent_is_gone_says_so(db, rows):
    with pytest.raises(MissingParent):
        async with db.write() as tx:
            await tx.run(insert("report_ledger"), LINK | {"device_id": "dev_gone"})


async def test_a_number_no_column_can_hold_is_one_row_refused(db, rows):
    with pytest.raises(StorageRefusesRow):
        async with db.write() as tx:
            await tx.run(insert("report_ledger"), LINK | {"report_id": "y", "sequence": 2**63})
    async with db.write() as tx:
        await tx.run(insert("report_ledger"), LINK | {"report_id": "y", "sequence": 2**63 - 1})


@on_postgresql
async def test_text_no_column_can_hold_is_one_row_refused(db, rows):
    with pytest.raises(StorageRefusesRow):
        async with db.write() as tx:
            await tx.run(insert("report_ledger"), LINK | {"report_id": "a\x00b"})


async def test_an_error_tells_no_value(db, rows):
    secret = "sk_live_hush"
    for table, row in (
        ("workspaces", SPACE | {"id": secret}),
        ("report_ledger", LINK | {"device_id": secret}),
        ("report_ledger", LINK | {"report_id": secret, "sequence": 2**63}),
    ):
        with pytest.raises(Exception, match=r".") as refusal:
            async with db.write() as tx:
                await tx.run(insert(table), row)
        assert secret not in str(refusal.value)


@contextlib.contextmanager
def another_process(path):
    """Who has the SQLite file open beside us and is writing."""
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        yield other
    finally:
        other.close()


@on_sqlite
async def test_a_file_another_process_writes_is_busy_and_free_again_afterwards(db, clock):
    impatient = SQLiteDatabase(db.path, clock=clock, lock_wait_s=0.1)
    with another_process(db.path):
        with pytest.raises(StorageBusy):
            async with impatient.write() as tx:
                await tx.run(insert("workspaces"), SPACE)
        async with impatient.read() as tx:  # readers do not mind
            assert await tx.rows(sa.select(metadata.tables["workspaces"])) == []
    async with impatient.write() as tx:
        await tx.run(insert("workspaces"), SPACE)
    await impatient.close()


@on_sqlite
async def test_a_writer_waits_for_another_process_without_stopping_the_rest(db):
    async def write() -> None:
        async with db.write() as tx:
            await tx.run(insert("workspaces"), SPACE)

    with another_process(db.path) as other:
        waiting = asyncio.create_task(write())
        for _ in range(50):  # the event loop turns meanwhile
            await asyncio.sleep(0.001)
        assert not waiting.done()
        other.execute("COMMIT")
    await waiting
    async with db.read() as tx:
        assert len(await tx.rows(sa.select(metadata.tables["workspaces"]))) == 1


async def _fill(db, kilobytes: int) -> None:
    async with db.write() as tx:
        await tx.run(insert("workspaces"), SPACE | {"name": "x" * 1024 * kilobytes})


@on_sqlite
async def test_a_full_disk_is_said_as_such_and_room_made_is_room_used(db):
    async with db.write() as tx:
        pages = (await tx.row(sa.text("PRAGMA page_count")))[0]
        # SQLite's own limit stands for the disk's: the error is the same SQLITE_FULL.
        await tx.row(sa.text(f"PRAGMA max_page_count = {pages + 2}"))
    with pytest.raises(StorageFull):
        await _fill(db, 200)
    async with db.write() as tx:
        await tx.row(sa.text(f"PRAGMA max_page_count = {pages + 1000}"))
    await _fill(db, 200)


@on_sqlite
async def test_a_file_that_cannot_be_written_is_unavailable(db):
    async with db.write() as tx:
        await tx.run(sa.text("PRAGMA query_only = ON"))
    with pytest.raises(StorageUnavailable):
        await _fill(db, 1)


async def test_a_folder_that_is_not_there_is_unavailable(tmp_path):
    db = open_database(f"sqlite:///{tmp_path}/nowhere/moorage.db")
    for opening in (db.read, db.write):
        with pytest.raises(StorageUnavailable):
            async with opening():
                pass
    await db.close()


async def test_a_file_that_is_no_database_is_unavailable(tmp_path):
    (tmp_path / "moorage.db").write_bytes(b"this is a text file, not a database" * 100)
    db = open_database(f"sqlite:///{tmp_path}/moorage.db")
    for opening in (db.read, db.write):
        with pytest.raises(StorageUnavailable):
            async with opening():
                pass
    await db.close()


async def test_a_postgresql_that_does_not_answer_is_unavailable():
    db = open_database(f"postgresql://moorage@127.0.0.1:{free_port()}/moorage")
    for opening in (db.read, db.write):
        with pytest.raises(StorageUnavailable):
            async with opening() as tx:
                await tx.rows(sa.text("SELECT 1"))
    await db.close()


@on_postgresql
async def test_of_two_that_wait_for_each_other_one_is_told_to_try_again(db, rows):
    async with db.write() as tx:
        await tx.run(insert("workspaces"), SPACE | {"id": "acc_2", "slug": "b"})
    both_hold_one = asyncio.Barrier(2)

    async def lock(*ids: str) -> None:
        async with db.write() as tx:
            await tx.run(sa.text("SET LOCAL deadlock_timeout = '20ms'"))
            for at, workspace in enumerate(ids):
                if at == 1:
                    await both_hold_one.wait()
                await tx.run(sa.text(f"UPDATE workspaces SET name = 'x' WHERE id = '{workspace}'"))

    ended = await asyncio.gather(
        lock("acc_1", "acc_2"), lock("acc_2", "acc_1"), return_exceptions=True
    )
    assert sorted(type(end).__name__ for end in ended) == ["NoneType", "StorageBusy"]


STATES = [
    # https://www.postgresql.org/docs/current/errcodes-appendix.html
    ("53100", StorageFull),  # disk_full
    ("53200", StorageUnavailable),  # out_of_memory: no disk to make room on
    ("55P03", StorageBusy),  # lock_not_available
    ("40001", StorageBusy),  # serialization_failure
    ("57P01", StorageUnavailable),  # admin_shutdown
    ("58030", StorageUnavailable),  # io_error
    ("22003", StorageRefusesRow),  # numeric_value_out_of_range
]


@on_postgresql
async def test_what_postgresql_complains_of_goes_by_its_code(db):
    for state, error in STATES:
        complain = sa.text(f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$")
        with pytest.raises(error):
            async with db.write() as tx:
                await tx.run(complain)


@pytest.mark.parametrize("url", ["mysql://x/y", "moorage.db", "", "sqlite://", "://", "a b"])
def test_an_address_of_no_database_of_ours_is_refused(url):
    with pytest.raises(ValueError, match=r"address"):
        open_database(url)


@on_postgresql
async def test_a_connection_that_breaks_within_a_statement_is_nobodys_fault_but_the_databases(db):
    """As the driver tells it when PostgreSQL is killed at the wrong moment."""

    async def cut_off() -> None:
        async with db.write():
            raise asyncpg.InternalClientError("another operation (2) is in progress")

    with pytest.raises(StorageUnavailable):
        await cut_off()
    async with db.read() as tx:
        assert await tx.rows(sa.select(metadata.tables["workspaces"])) == []
