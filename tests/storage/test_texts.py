"""The index of devices' texts: what it offers, that it is used, and that it is always in step."""

import json
from functools import partial

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from conftest import make_owner
from moorage.core import devices, provisioning
from moorage.core.devices import Changes, Filter, Sort
from moorage.core.errors import DomainError
from moorage.storage import metadata, open_database, texts
from moorage.storage.archive.loading import insert
from moorage.storage.archive.tables import tables_of
from moorage.storage.migrate import migrate
from support.engines import on_postgresql, on_sqlite

_NAMES = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), max_size=8)
_SOME = "abAB1 -_%\"'./\\ßẞéÉİıǅ日本"
_TEXTS = st.text(st.sampled_from(_SOME), min_size=1, max_size=6)


async def made(db, owner, name: str, **fields):
    async with db.write() as tx:
        return await devices.create(tx, owner, name=name, **fields)


async def found(db, owner, text: str, limit: int | None = None) -> list[str]:
    async with db.read() as tx:
        page = await devices.list_devices(tx, owner, Filter(text=text), sort=Sort.NAME, limit=limit)
        total = sum((await devices.counts(tx, owner, Filter(text=text))).values())
    assert limit is not None or total == len(page.items)
    return [one.name for one in page.items]


async def test_what_was_changed_or_retired_is_found_by_what_it_is_now_only(db, owner):
    device = await made(db, owner, "crane ten", reference="SITE-1")
    assert await found(db, owner, "crane t") == ["crane ten"]
    async with db.write() as tx:
        await devices.update(tx, owner, device.id, Changes(name="ferry", reference="DOCK-7"))
        await devices.record_facts(tx, device.ref, {"hostname": "box-4711"})
    for gone in ("crane", "SITE-1"):
        assert await found(db, owner, gone) == []
    for there in ("ferry", "dock-7", "BOX-4711", "r", device.id[:9]):
        assert await found(db, owner, there) == ["ferry"]
    async with db.write() as tx:
        await devices.update(tx, owner, device.id, Changes(reference=None))
    assert await found(db, owner, "dock") == []
    async with db.write() as tx:
        await provisioning.retire(tx, owner, device.id)
    assert await found(db, owner, "ferry") == []


async def test_a_text_does_not_run_from_one_place_into_the_next(db, owner):
    device = await made(db, owner, "one")
    assert await found(db, owner, f"one\n{device.id}") == []
    assert await found(db, owner, "one\n") == []


@pytest.mark.parametrize("some", [8, 50])
async def test_many_that_hold_a_text_are_all_found_and_paged(db, owner, monkeypatch, some):
    monkeypatch.setattr(texts, "_FEW", 5)
    monkeypatch.setattr(texts, "_SOME", some)
    for number in range(12):
        await made(db, owner, f"crane {number:02}")
    await made(db, owner, "ferry xq")  # what is in no id
    cranes = [f"crane {number:02}" for number in range(12)]
    for text in ("crane", "cr"):
        assert await found(db, owner, text) == cranes
        assert await found(db, owner, text, limit=4) == cranes[:4]
    assert await found(db, owner, "crane 07") == ["crane 07"]
    assert await found(db, owner, "xq") == ["ferry xq"]


async def test_rows_that_a_backup_puts_in_are_found_and_it_takes_no_index_along(db, owner):
    device = await made(db, owner, "crane")
    async with db.write() as tx:
        tables = {table.name: table for table in await tx.on_connection(tables_of)}
        assert [name for name in tables if texts.is_derived(name)] == []
        for name, changed in (
            ("devices", {"id": "dev_x", "name": "ferry"}),
            ("device_presence", {"device_id": "dev_x"}),
        ):
            clause = tables[name].clause()
            (row,) = await tx.rows(
                sa.select(clause).where(clause.c[next(iter(changed))] == device.id)
            )
            again = [[*{**row._mapping, **changed}.values()]]
            await tx.on_connection(partial(insert, table=tables[name], rows=again))
    assert await found(db, owner, "ferr") == ["ferry"]
    assert await found(db, owner, "ry") == ["ferry"]  # ids are hexadecimal: it is in none


async def test_what_others_own_is_not_found(db, owner):
    await made(db, await make_owner(db, "other"), "crane")
    await made(db, await make_owner(db, "acme", live=False), "crane")
    assert await found(db, owner, "crane") == []


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@example(name="Straße", text="STRASSE")
@example(name="STRASSE 5", text="straße")
@example(name="İstanbul", text="istanbul")
@example(name="İstanbul", text="İSTAN")
@example(name='say "hi" to%_/', text='"hi" to%_/')
@example(name="AND OR NOT", text="AND OR")
@example(name="日本語の箱", text="本語の")
@given(name=_NAMES | _TEXTS, text=_TEXTS)
async def test_the_index_lets_nothing_fall_through_that_reading_all_finds(db, owner, name, text):
    """Whatever a text is made of, a search with the index is a search without."""
    if not name.strip() or not name.isprintable():
        name = f"box {name}" if name.isprintable() else "box"
    await made(db, owner, name)
    table = metadata.tables["devices"]
    columns = ("name", "id", "hostname", "external_id", "reference")
    async with db.read() as tx:
        read = await tx.rows(
            sa.select(table.c.id).where(
                sa.or_(*(texts.contains_text(table.c[one], text) for one in columns))
            )
        )
        page = await devices.list_devices(tx, owner, Filter(text=text))
    assert {one.id for one in page.items} == {row.id for row in read}


@on_sqlite
async def test_on_sqlite_the_index_agrees_with_its_texts(db, owner):
    """FTS5's own check, after rows came, changed and went, and one batch that was given up."""
    fleet = [
        await made(db, owner, f"crane {number}", reference=f"R-{number}") for number in range(5)
    ]
    async with db.write() as tx:
        await devices.update(tx, owner, fleet[0].id, Changes(name="ferry"))
        await provisioning.retire(tx, owner, fleet[1].id)
    with pytest.raises(DomainError):
        await made(db, owner, "never", reference=fleet[0].reference)
    check = "INSERT INTO devices_texts_index (devices_texts_index, rank) VALUES (:what, 1)"
    async with db.write() as tx:
        await tx.run(sa.text(check), {"what": "integrity-check"})
        rows = await tx.rows(sa.text("SELECT key FROM devices_texts ORDER BY key"))
    assert [row.key for row in rows] == sorted(one.id for one in (fleet[0], *fleet[2:]))


@on_postgresql
async def test_on_postgresql_a_search_goes_by_the_index(db, owner):
    await made(db, owner, "crane")
    table = metadata.tables["devices"]
    index = texts.TextIndex(table, "id", ("name", "id", "hostname", "external_id", "reference"))
    async with db.read() as tx:
        holding = await index.holding(tx, "Kühlhaus 10")
        wanted = sa.select(table.c.id).where(*holding.conditions)
        compiled = wanted.compile(
            dialect=db.async_engine.dialect, compile_kwargs={"literal_binds": True}
        )
        await tx.run(sa.text("SET LOCAL enable_seqscan = off"))
        plan = await tx.on_connection(
            lambda one: one.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {compiled}").scalar_one()
        )
    assert "ix_devices_texts" in (plan if isinstance(plan, str) else json.dumps(plan))


async def test_without_the_extension_a_search_reads_all_and_finds_the_same(postgres):
    postgres.run_sql(
        "DROP DATABASE IF EXISTS plain; DROP ROLE IF EXISTS plain; CREATE ROLE plain LOGIN; "
        "CREATE DATABASE plain"
    )
    # One that owns its tables and no more: it may not make extensions.
    postgres.run_sql(
        "GRANT ALL ON SCHEMA public TO plain; REVOKE CREATE ON DATABASE plain FROM PUBLIC", "plain"
    )
    db = open_database(postgres.url("plain").replace("moorage@", "plain@"))
    try:
        await migrate(db)
        assert "pg_trgm" not in postgres.run_sql("SELECT extname FROM pg_extension", "plain")
        owner = await make_owner(db, "acme")
        await made(db, owner, "crane")
        assert await found(db, owner, "CRAN") == ["crane"]
        assert await found(db, owner, "ferry") == []
    finally:
        await db.close()
        postgres.run_sql("DROP DATABASE plain WITH (FORCE); DROP ROLE plain")
