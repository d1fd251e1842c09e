"""A device's config: layers, revisions, and two owners who change it at once."""

import asyncio

import pytest

from conftest import make_owner
from moorage.core import config, devices, provisioning
from moorage.core.errors import DomainError, of_exception
from support.engines import on_sqlite
from support.senders import column


async def make(db, owner, name: str = "camera", **fields):
    async with db.write() as tx:
        return (await provisioning.register(tx, owner, name=name, **fields)).device.ref


async def change(db, owner, device, patch, if_match=None):
    async with db.write() as tx:
        return await config.change(tx, owner, device, patch, if_match=if_match)


async def get(db, owner, device):
    async with db.read() as tx:
        return await config.get(tx, owner, device)


async def set_default(db, owner, patch):
    async with db.write() as tx:
        return await config.set_default(tx, owner, patch, if_match=None)


async def refusal_of(coroutine) -> DomainError:
    """What a dialect would render."""
    with pytest.raises((DomainError, ValueError)) as refusal:
        await coroutine
    return of_exception(refusal.value)


@on_sqlite
async def test_a_value_names_the_layer_it_came_from(db, owner):
    await set_default(db, owner, {"config": {"log_level": "debug", "site": "north"}})
    device = await make(db, owner, own={"config": {"site": "south"}})
    found = await change(db, owner, device, {"services": {"web": {"image": "web:1"}}})
    assert found.document["config"] == {
        "report_interval_s": 30,
        "log_level": "debug",
        "site": "south",
    }
    assert found.origins == {
        "/config/report_interval_s": "base",
        "/config/log_level": "workspace",
        "/config/site": "device",
        "/services/web/image": "device",
        "/streams": "base",
    }


@on_sqlite
async def test_what_is_taken_away_shows_what_lies_below(db, owner):
    await set_default(db, owner, {"config": {"site": "north"}})
    device = await make(db, owner)
    await change(db, owner, device, {"config": {"site": None}})
    assert "site" not in (await get(db, owner, device)).document["config"]
    found = await change(db, owner, device, {"config": {"site": "east"}})
    assert found.origins["/config/site"] == "device"


@on_sqlite
async def test_a_changed_default_is_for_devices_made_from_then_on(db, owner):
    old = await make(db, owner)
    await set_default(db, owner, {"config": {"log_level": "error"}})
    new = await make(db, owner)
    await change(db, owner, old, {"config": {"site": "x"}})
    levels = [(await get(db, owner, one)).document["config"]["log_level"] for one in (old, new)]
    assert levels == ["info", "error"]


async def test_a_change_makes_a_revision_and_no_change_makes_none(db, owner):
    device = await make(db, owner)
    first = await get(db, owner, device)
    second = await change(db, owner, device, {"config": {"site": 1}})
    again = await change(db, owner, device, {"config": {"site": 1}})
    third = await change(db, owner, device, {"config": {"site": True}})
    assert [one.revision for one in (first, second, again, third)] == [1, 2, 2, 3]
    assert third.document["config"]["site"] is True, "true is not 1"
    assert len({first.digest, second.digest, third.digest}) == 3
    audited = "SELECT details FROM audit_entries WHERE action = 'config.changed' ORDER BY id"
    assert await column(db, audited) == [
        '{"revision":2,"changed":["/config/site"]}',
        '{"revision":3,"changed":["/config/site"]}',
    ]


@on_sqlite
async def test_who_saw_an_older_revision_changes_nothing(db, owner):
    device = await make(db, owner)
    seen = (await get(db, owner, device)).digest
    await change(db, owner, device, {"config": {"site": "a"}}, if_match=seen)
    refusal = await refusal_of(change(db, owner, device, {"config": {"site": "b"}}, if_match=seen))
    assert (refusal.kind, refusal.code) == ("precondition", "revision_changed")
    assert refusal.extra == {"revision": 2}
    assert (await get(db, owner, device)).document["config"]["site"] == "a"


async def test_twenty_owners_at_once_lose_no_change(db, owner):
    device = await make(db, owner)
    await asyncio.gather(
        *(change(db, owner, device, {"config": {f"k{at}": at}}) for at in range(20))
    )
    found = await get(db, owner, device)
    assert found.revision == 21
    assert all(found.document["config"][f"k{at}"] == at for at in range(20))
    assert await column(db, "SELECT revision FROM config_revisions ORDER BY revision") == list(
        range(1, 22)
    )


async def test_of_twenty_that_saw_the_same_revision_one_changes_it(db, owner):
    device = await make(db, owner)
    seen = (await get(db, owner, device)).digest
    ended = await asyncio.gather(
        *(change(db, owner, device, {"config": {"site": at}}, if_match=seen) for at in range(20)),
        return_exceptions=True,
    )
    assert (
        sorted(getattr(end, "code", "changed") for end in ended)
        == ["changed"] + ["revision_changed"] * 19
    )


@on_sqlite
async def test_rolling_back_is_a_new_revision_as_the_old_one_was(db, owner):
    device = await make(db, owner)
    first = await get(db, owner, device)
    await change(db, owner, device, {"config": {"report_interval_s": 60}})
    async with db.write() as tx:
        found = await config.roll_back(tx, owner, device, 1, if_match=None)
    assert (found.revision, found.digest, found.document) == (3, first.digest, first.document)
    async with db.read() as tx:
        page = await config.list_revisions(tx, owner, device, cursor=None, limit=2)
        rest = await config.list_revisions(tx, owner, device, cursor=page.next_cursor, limit=2)
        kept = await config.get_revision(tx, owner, device, 2)
        assert (await devices.get(tx, owner, device.device_id)).interval_s == 30
    assert [one.revision for one in (*page.items, *rest.items)] == [3, 2, 1]
    assert rest.next_cursor is None
    assert kept.document["config"]["report_interval_s"] == 60


@on_sqlite
@pytest.mark.parametrize(
    ("patch", "pointer"),
    [
        ({"config": {"report_interval_s": 4}}, "/config/report_interval_s"),
        ({"config": {"report_interval_s": 86_401}}, "/config/report_interval_s"),
        ({"config": {"report_interval_s": True}}, "/config/report_interval_s"),
        ({"config": {"report_interval_s": "30"}}, "/config/report_interval_s"),
        ({"config": {"log_level": "loud"}}, "/config/log_level"),
        ({"config": {"agent_updates": "daily"}}, "/config/agent_updates"),
        ({"config": {"agent_updates": True}}, "/config/agent_updates"),
        ({"config": None}, "/config"),
        ({"config": []}, "/config"),
        ({"services": {"a/b": "no object"}}, "/services/a~1b"),
        ({"streams": "none"}, "/streams"),
        ({"config": {"x": "y" * 300_000}}, ""),
        ({"config": {"x": "a\x00b"}}, "/config/x"),
        ({"config": {"x": 2**63}}, "/config/x"),
        ({"config": {"x": float("nan")}}, "/config/x"),
    ],
)
async def test_what_no_device_could_apply_is_refused_by_its_path(db, owner, patch, pointer):
    device = await make(db, owner)
    refusal = await refusal_of(change(db, owner, device, patch))
    assert refusal.kind == "invalid"
    assert [fault.pointer for fault in refusal.faults] == [pointer]
    assert (await get(db, owner, device)).revision == 1


@on_sqlite
async def test_a_config_of_another_workspace_or_mode_is_not_there(db, owner):
    device = await make(db, owner)
    strangers = [await make_owner(db, "other"), await make_owner(db, "acme", live=False)]
    for stranger in strangers:
        async with db.read() as tx:
            refusal = await refusal_of(devices.get(tx, stranger, device.device_id))
        assert refusal.kind == "not_found"
