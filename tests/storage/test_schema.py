"""Three accounts of the schema agree: the migrations, the tables in the code, the files to read."""

import importlib.util
import re
from pathlib import Path

import pytest
import sqlalchemy as sa

from moorage.storage import metadata
from moorage.storage.sqlite import sqlite_engine
from moorage.storage.texts import is_derived
from support.engines import on_postgresql

_PLAIN = (sa.Text, sa.Integer, sa.BigInteger, sa.Boolean, sa.Double, sa.LargeBinary)
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("schema", ROOT / "tools" / "schema.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_the_schema_to_read_is_current_on_sqlite(tool, sqlite_template):
    written = tool.path_of("sqlite").read_text("utf-8")
    assert written == tool.sqlite_schema(sqlite_template), "run `python tools/schema.py`"


async def test_the_schema_to_read_is_current_on_postgresql(tool, postgres, postgres_template):
    written = tool.path_of("postgresql").read_text("utf-8")
    assert written == tool.postgres_schema(postgres, postgres_template), (
        "run `python tools/schema.py`"
    )


def test_every_table_is_in_the_schema_to_read(tool):
    for engine, head in (("sqlite", "CREATE TABLE "), ("postgresql", "CREATE TABLE public.")):
        written = tool.path_of(engine).read_text("utf-8")
        assert [name for name in metadata.tables if f"{head}{name} (" not in written] == []


def test_no_database_numbers_rows_by_itself(tool):
    """Ids are made by us and times are times; a counter would be another thing to move along."""
    for engine in ("sqlite", "postgresql"):
        written = tool.path_of(engine).read_text("utf-8").lower()
        assert [
            word for word in ("sequence public", "nextval", "autoincrement") if word in written
        ] == []


def _described(connection: sa.Connection) -> dict[str, object]:
    """All that the engine knows of the tables, in a form that does not depend on their spelling."""
    known = sa.inspect(connection)
    described: dict[str, object] = {}
    for name in known.get_table_names():
        if name == "alembic_version" or re.search(r"_\d{8}$", name):  # a day of a table
            continue
        if is_derived(name):  # the index of texts is the migrations' alone; test_texts.py has it
            continue
        described[name] = {
            "columns": [
                (column["name"], str(column["type"]), column["nullable"], str(column["default"]))
                for column in known.get_columns(name)
            ],
            "key": known.get_pk_constraint(name),
            "parents": sorted(known.get_foreign_keys(name), key=lambda one: one["name"]),
            "unique": sorted(known.get_unique_constraints(name), key=lambda one: one["name"]),
            "indexes": sorted(
                (one for one in known.get_indexes(name) if not one["name"].endswith("_texts")),
                key=lambda one: one["name"],
            ),
            "options": known.get_table_options(name),
        }
    return described


async def test_the_migrations_end_in_the_tables_of_the_code_on_sqlite(sqlite_template, tmp_path):
    migrated = sqlite_engine(sqlite_template)
    made = sqlite_engine(tmp_path / "made.db")
    metadata.create_all(made)
    with migrated.connect() as one, made.connect() as other:
        assert _described(one) == _described(other)


@on_postgresql
async def test_the_migrations_end_in_the_tables_of_the_code_on_postgresql(db, postgres):
    postgres.run_sql("DROP DATABASE IF EXISTS made; CREATE DATABASE made")
    made = sa.ext.asyncio.create_async_engine(
        sa.make_url(postgres.url("made")).set(drivername="postgresql+asyncpg")
    )
    async with made.begin() as other, db.async_engine.begin() as one:
        await other.run_sync(metadata.create_all)
        assert await one.run_sync(_described) == await other.run_sync(_described)
    await made.dispose()


def test_times_are_whole_numbers_and_json_is_text_on_both_engines():
    """What a row holds must not depend on the engine, or a copy from one to the other loses it."""
    for table in metadata.tables.values():
        for column in table.columns:
            kind = column.type
            assert isinstance(kind.impl if hasattr(kind, "impl") else kind, _PLAIN), column


def test_what_hangs_on_a_device_falls_with_it_or_is_cleared_out_by_a_job():
    cleared_by_a_job = {
        "environments",
        "telemetry_samples",
        "telemetry_rollups",
        "stream_samples",
        "stream_rollups",
        "log_lines",
        "events",
        "device_tombstones",
        "device_tombstone_keys",
    }
    for table in metadata.tables.values():
        if "device_id" not in table.columns or table.name in cleared_by_a_job:
            continue
        parents = [key for key in table.columns["device_id"].foreign_keys if key.column.table.name]
        assert [(key.column.table.name, key.ondelete) for key in parents] == [
            ("devices", "CASCADE")
        ], table.name
