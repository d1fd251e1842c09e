"""The registry: lists and their filters, references, and the end of a device."""

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa

from conftest import make_owner
from moorage.core import devices, provisioning
from moorage.core.devices import Changes, Filter, Sort, Status
from moorage.core.errors import DomainError
from moorage.ingest import Ingest, Retention
from moorage.storage import metadata
from support.devices import rfc3339
from support.engines import on_sqlite
from support.senders import column, enrolled, line


async def create(db, owner, name: str = "camera", **fields):
    async with db.write() as tx:
        return await devices.create(tx, owner, name=name, **fields)


async def names(db, owner, **wanted) -> list[str]:
    async with db.read() as tx:
        page = await devices.list_devices(tx, owner, Filter(**wanted), sort=Sort.NAME)
    return [one.name for one in page.items]


@pytest.fixture
async def fleet(db, owner, clock):
    """Four devices that differ in all a filter can ask for."""
    made = [
        await create(db, owner, "Gate North", type="edge", tags=["north", "gate"]),
        await create(db, owner, "Gate South", type="ai1", tags=["gate"], reference="SITE-50%"),
        await create(db, owner, "Yard", type="ai1", external_id="Daemon_7", reference="SITE-500"),
        await create(db, owner, "Größe Ü", type="edge", tags=["north"]),
    ]
    async with db.write() as tx:
        await devices.record_facts(tx, made[2].ref, {"hostname": "Yard-Box"})
        await devices.note_heartbeat(tx, made[0].ref, {})
    clock.advance(minutes=1)
    async with db.write() as tx:
        await devices.note_heartbeat(tx, made[1].ref, {})
    await create(db, await make_owner(db, "acme", live=False), "Gate Test", tags=["gate"])
    await create(db, await make_owner(db, "other"), "Gate Foreign", tags=["gate"])
    return made


FILTERS = [
    ({}, ["Gate North", "Gate South", "Größe Ü", "Yard"]),
    ({"type": "ai1"}, ["Gate South", "Yard"]),
    ({"tags": ("gate",)}, ["Gate North", "Gate South"]),
    ({"tags": ("gate", "north")}, ["Gate North"]),
    ({"tags": ("gat",)}, []),
    ({"statuses": frozenset({Status.ONLINE})}, ["Gate South"]),
    ({"statuses": frozenset({Status.LATE})}, ["Gate North"]),
    (
        {"statuses": frozenset({Status.NEVER_SEEN, Status.LATE})},
        ["Gate North", "Größe Ü", "Yard"],
    ),
    ({"text": "gate"}, ["Gate North", "Gate South"]),
    ({"text": "DAEMON"}, ["Yard"]),
    ({"text": "yard-box"}, ["Yard"]),
    ({"text": "größe"}, ["Größe Ü"]),
    ({"text": "ü"}, ["Größe Ü"]),
    ({"text": "site-50"}, ["Gate South", "Yard"]),
    ({"text": "50%"}, ["Gate South"]),
    ({"text": "_7"}, ["Yard"]),
    ({"text": "a_e"}, []),
    ({"text": "gate", "type": "edge", "tags": ("north",)}, ["Gate North"]),
]


@on_sqlite
async def test_a_filter_lets_through_what_it_names(db, owner, fleet):
    for wanted, found in FILTERS:
        assert await names(db, owner, **wanted) == found, wanted


async def test_a_text_is_found_in_each_place_whatever_its_case_and_means_itself(db, owner, fleet):
    for text, found in {
        "gAtE n": ["Gate North"],
        "daemon_7": ["Yard"],
        "YARD-BOX": ["Yard"],
        "site-50%": ["Gate South"],
        "Größe": ["Größe Ü"],
        "ü": ["Größe Ü"],
        fleet[3].id.upper(): ["Größe Ü"],
    }.items():
        assert await names(db, owner, text=text) == found, text


@on_sqlite
async def test_totals_leave_their_own_filter_out(db, owner, fleet):
    async with db.read() as tx:
        wanted = Filter(statuses=frozenset({Status.OFFLINE}), tags=("gate",))
        totals = await devices.counts(tx, owner, wanted)
    assert totals == {
        Status.NEVER_SEEN: 0,
        Status.ONLINE: 1,
        Status.LATE: 1,
        Status.OFFLINE: 0,
    }


async def test_pages_in_any_order_show_each_device_once_while_others_are_made(db, owner, clock):
    made = []
    for number in range(7):
        made.append(await create(db, owner, f"camera {number % 3}"))
        if number % 2:
            async with db.write() as tx:
                await devices.note_heartbeat(tx, made[-1].ref, {})
        clock.advance(seconds=1)
    for sort in Sort:
        seen: list[str] = []
        cursor = None
        for number in range(40):
            async with db.read() as tx:
                page = await devices.list_devices(
                    tx, owner, Filter(), sort=sort, cursor=cursor, limit=2
                )
            seen += [one.id for one in page.items]
            if number < 3:
                await create(db, owner, f"camera made during {sort}")
            cursor = page.next_cursor
            if cursor is None:
                break
        assert len(set(seen)) == len(seen)
        assert {one.id for one in made} <= set(seen)
        async with db.read() as tx:
            whole = (await devices.list_devices(tx, owner, Filter(), sort=sort)).items
        in_order = [one.id for one in whole if one.id in seen]
        assert seen == in_order, sort


async def test_lists_are_in_the_order_they_are_asked_for(db, owner, fleet):
    async def ids(sort: Sort) -> list[str]:
        async with db.read() as tx:
            page = await devices.list_devices(tx, owner, Filter(), sort=sort)
        return [one.id for one in page.items]

    north, south, yard, size = (one.id for one in fleet)
    assert await ids(Sort.CREATED_AT) == [north, south, yard, size]
    assert await ids(Sort.NAME) == [north, south, size, yard]
    assert (await ids(Sort.LAST_HEARTBEAT))[2:] == [north, south], "never heard of comes first"
    for up, down in (
        (Sort.CREATED_AT, Sort.CREATED_AT_DOWN),
        (Sort.NAME, Sort.NAME_DOWN),
        (Sort.LAST_HEARTBEAT, Sort.LAST_HEARTBEAT_DOWN),
    ):
        assert await ids(down) == (await ids(up))[::-1]


async def code_of(coroutine) -> str:
    try:
        await coroutine
    except DomainError as refusal:
        return refusal.code
    return "made"


async def test_of_fifty_devices_made_at_once_with_one_reference_one_has_it(db, owner):
    codes = await asyncio.gather(
        *(code_of(create(db, owner, f"camera {n}", reference="R-1")) for n in range(50))
    )
    assert sorted(codes) == ["made"] + ["reference_taken"] * 49
    assert await column(db, "SELECT reference FROM devices") == ["R-1"]
    recorded = "SELECT entity_id FROM audit_entries WHERE action = 'device.created'"
    assert len(await column(db, recorded)) == 1, "what was refused left nothing"


async def test_a_reference_is_unique_in_its_workspace_and_mode_only(db, owner):
    first = await create(db, owner, reference="R-1")
    for other in (await make_owner(db, "other"), await make_owner(db, "acme", live=False)):
        assert await code_of(create(db, other, reference="R-1")) == "made"
    second = await create(db, owner)
    await create(db, owner)  # any number have none

    async def change(device, reference):
        async with db.write() as tx:
            await devices.update(tx, owner, device.id, Changes(reference=reference))

    assert await code_of(change(second, "R-1")) == "reference_taken"
    assert await code_of(change(first, "R-1")) == "made"
    await change(first, None)
    assert await code_of(change(second, "R-1")) == "made"


async def run_in(db, owner, clock):
    """Two devices that used everything that hangs on a device."""
    ingest = Ingest(db, retention=Retention())
    ingest.start()
    pair = [await enrolled(db, owner, name) for name in ("gone", "kept")]
    for device in pair:
        report = device.next(
            clock.now(),
            facts={"hostname": "h"},
            telemetry=[{"at": rfc3339(clock.now()), "cpu_percent": 1}] * 7,
            logs=[line(clock.now())] * 7,
            events=[
                {"id": f"e{n}", "at": rfc3339(clock.now()), "event": "made.up"} for n in range(7)
            ],
            streams=[{"id": f"s{n}", "camera_fps": 5} for n in range(7)],
            services=[{"name": "a"}],
            config={"revision": 1, "state": "applied"},
        )
        await ingest.submit(report)
        device.acknowledged(report)
        async with db.write() as tx:
            await devices.update(tx, owner, device.id, Changes(tags=["a", "b"]))
            await provisioning.new_install_token(tx, owner, device.id)
    await ingest.stop()
    return pair


APPEND_ONLY = {"telemetry_samples", "stream_samples", "log_lines", "events"}


async def rows_of(db, device_id: str) -> dict[str, int]:
    """How many rows each table has of a device."""
    found = {}
    async with db.read() as tx:
        for table in metadata.sorted_tables:
            key = table.columns.get("device_id" if table.name != "devices" else "id")
            if key is not None:
                count = sa.select(sa.func.count().label("n")).where(key == device_id)
                found[table.name] = (await tx.row(count)).n
    return {name: number for name, number in found.items() if number}


async def retire(db, owner, device_id) -> None:
    async with db.write() as tx:
        await provisioning.retire(tx, owner, device_id)


async def test_a_retired_device_leaves_its_tombstone_and_what_a_job_clears_out(db, owner, clock):
    gone, kept = await run_in(db, owner, clock)
    before = await rows_of(db, gone.id)
    assert {"devices", "keys", "config_revisions", "report_ledger", "device_tags"} <= set(before)
    others = await rows_of(db, kept.id)
    digests = await column(db, f"SELECT digest FROM keys WHERE device_id = '{gone.id}'")
    await retire(db, owner, gone.id)
    left = await rows_of(db, gone.id)
    assert set(left) == APPEND_ONLY | {"device_tombstones", "device_tombstone_keys"}
    assert left["device_tombstones"] == 1
    assert await column(db, "SELECT digest FROM device_tombstone_keys") == digests
    assert await rows_of(db, kept.id) == others
    async with db.read() as tx:
        buried = await devices.find_buried(tx, digests[0])
        assert (buried.device_id, buried.workspace_id) == (gone.id, owner.workspace_id)
        assert await devices.find_buried(tx, "0" * 64) is None


@on_sqlite
async def test_a_retired_device_is_not_found_by_anybody_and_its_reference_is_free(db, owner):
    device = await create(db, owner, reference="R-1")
    stranger = await make_owner(db, "other")
    assert await code_of(retire(db, stranger, device.id)) == "not_found"
    assert await code_of(retire(db, owner, device.id)) == "made"
    assert await code_of(retire(db, owner, device.id)) == "not_found"
    assert await names(db, owner) == []
    assert await code_of(create(db, owner, reference="R-1")) == "made"


async def test_two_owners_who_retire_one_device_at_once_leave_one_tombstone(db, owner):
    device = await create(db, owner)
    ended = await asyncio.gather(
        *(retire(db, owner, device.id) for _ in range(5)), return_exceptions=True
    )
    assert [end for end in ended if end is None] == [None]
    assert await column(db, "SELECT device_id FROM device_tombstones") == [device.id]
    assert await column(db, "SELECT id FROM devices") == []


@on_sqlite
async def test_fifty_tags_a_device_come_back_in_order_and_without_repeats(db, owner):
    wanted = [f"tag {number}" for number in range(50)]
    device = await create(db, owner, tags=[*wanted, " tag 0 ", "tag 7"])
    assert device.tags == tuple(wanted)


@on_sqlite
async def test_what_a_device_does_not_tell_of_itself_stays_as_it_was(db, owner):
    device = await create(db, owner)
    async with db.write() as tx:
        await devices.record_facts(tx, device.ref, {"hostname": "h", "gpu": "g"})
        await devices.record_facts(tx, device.ref, {"gpu": None})
        found = await devices.get(tx, owner, device.id)
    assert found.facts == {"hostname": "h", "gpu": None}


@on_sqlite
async def test_silence_begins_with_a_heartbeat_and_not_with_a_contact(db, owner, clock):
    device = await create(db, owner)
    async with db.write() as tx:
        await devices.mark_seen(tx, [device.id])
        found = await devices.get(tx, owner, device.id)
    assert (found.presence.status, found.last_seen_at) == (Status.NEVER_SEEN, clock.now())
    async with db.write() as tx:
        await devices.note_heartbeat(tx, device.ref, {})
    clock.advance(seconds=44)
    async with db.read() as tx:
        found = await devices.get(tx, owner, device.id)
    assert (found.presence.status, found.presence.silent_for) == (
        Status.ONLINE,
        timedelta(seconds=44),
    )
