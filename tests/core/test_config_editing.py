"""Editing a device's own layer whole, with its secrets masked; comparing revisions."""

import pytest

from moorage.core import config, provisioning
from moorage.core.config import rules
from moorage.core.errors import DomainError
from support.engines import on_sqlite

OWN = {
    "config": {"site": "north"},
    "services": {"web": {"image": "web:1", "environment_variables": {"TOKEN": "s3cret"}}},
    "streams": {"yard": {"source": "rtsp://admin:pw@10.0.0.9/one"}},
}


async def made(db, owner):
    async with db.write() as tx:
        return (await provisioning.register(tx, owner, name="camera", own=OWN)).device.ref


async def replaced(db, owner, device, own, if_match=None):
    async with db.write() as tx:
        return await config.replace_own(tx, owner, device, own, if_match=if_match)


async def view(db, owner, device):
    async with db.read() as tx:
        return await config.get(tx, owner, device)


async def test_masks_that_come_back_keep_their_secrets(db, owner):
    device = await made(db, owner)
    shown = rules.masked(OWN)
    assert "s3cret" not in str(shown)
    shown["services"]["web"]["image"] = "web:2"
    found = await replaced(db, owner, device, shown)
    assert found.revision == 2
    assert found.own["services"]["web"]["environment_variables"] == {"TOKEN": "s3cret"}
    assert found.own["streams"] == OWN["streams"]
    again = await replaced(db, owner, device, rules.masked(found.own))
    assert again.revision == 2, "what is saved as it was shown is no change"


@on_sqlite
async def test_what_is_left_out_is_as_the_layers_below_have_it(db, owner):
    device = await made(db, owner)
    loud = await replaced(db, owner, device, {"config": {"log_level": "debug"}})
    assert loud.document["config"]["log_level"] == "debug"
    assert loud.document["services"] == {}
    quiet = await replaced(db, owner, device, {})
    assert quiet.document == config.BASE_DEFAULT
    assert quiet.own == {}


@on_sqlite
async def test_a_mask_in_another_place_is_refused(db, owner):
    device = await made(db, owner)
    moved = {"services": {"api": {"environment_variables": {"TOKEN": rules.MASK}}}}
    with pytest.raises(DomainError) as refusal:
        await replaced(db, owner, device, moved)
    (fault,) = refusal.value.faults
    assert fault.pointer == "/services/api/environment_variables/TOKEN"


def test_in_an_array_a_mask_keeps_the_secret_of_the_element_that_looked_the_same():
    now = {"config": {"cameras": [{"at": "a", "password": "1"}, {"at": "b", "password": "2"}]}}
    one, other = rules.masked(now)["config"]["cameras"]
    swapped = rules.unmasked({"config": {"cameras": [other, one]}}, now)
    assert swapped["config"]["cameras"] == now["config"]["cameras"][::-1]
    alike = {"config": {"passwords": ["x"], "urls": ["http://u:1@h/", "http://u:2@h/"]}}
    shown = rules.masked(alike)
    assert rules.unmasked(shown, alike) == {
        "config": {**alike["config"], "urls": shown["config"]["urls"]}
    }


async def test_two_who_save_at_once_do_not_overwrite_each_other(db, owner):
    device = await made(db, owner)
    seen = (await view(db, owner, device)).digest
    await replaced(db, owner, device, {}, if_match=seen)
    with pytest.raises(DomainError) as refusal:
        await replaced(db, owner, device, {"config": {"site": "south"}}, if_match=seen)
    assert refusal.value.code == "revision_changed"


async def test_trying_changes_nothing_and_says_what_would(db, owner):
    device = await made(db, owner)
    own = rules.masked(OWN)
    own["config"] = {"site": "south"}
    own["services"]["web"]["environment_variables"]["TOKEN"] = "another"
    async with db.read() as tx:
        draft = await config.try_own(tx, owner, device, own)
    assert draft.changed == ["/config/site", "/services/web/environment_variables/TOKEN"]
    assert "another" not in str(draft)
    assert "s3cret" not in str(draft)
    assert (await view(db, owner, device)).revision == 1
    async with db.read() as tx:
        with pytest.raises(DomainError) as refusal:
            await config.try_own(tx, owner, device, {"services": {"web": "web:1"}})
    assert refusal.value.faults[0].pointer == "/services/web"


@on_sqlite
async def test_a_comparison_names_secrets_that_differ_and_shows_none(db, owner):
    device = await made(db, owner)
    own = {**OWN, "streams": {"yard": {"source": "rtsp://admin:other@10.0.0.9/one"}}}
    await replaced(db, owner, device, own)
    async with db.read() as tx:
        found = await config.compare(tx, owner, device, 1, 2)
        assert found.changed == ["/streams/yard/source"]
        assert found.before.document == found.after.document
        assert "s3cret" not in str(found)
        with pytest.raises(DomainError) as refusal:
            await config.compare(tx, owner, device, 1, 3)
        assert refusal.value.code == "not_found"


async def test_masks_keep_the_secrets_of_the_workspaces_layer(db, owner):
    async with db.write() as tx:
        await config.set_default(tx, owner, OWN, if_match=None)
        shown = rules.masked(OWN)
        shown["services"]["web"]["image"] = "web:2"
        draft = await config.try_default(tx, owner, shown)
        assert list(draft.changed) == ["/services/web/image"]
        assert "s3cret" not in str(draft.document)
        found = await config.replace_default(tx, owner, shown, if_match=None)
        assert found.patch["services"]["web"]["environment_variables"] == {"TOKEN": "s3cret"}
        assert found.patch["streams"] == OWN["streams"]


async def test_a_mask_of_the_workspaces_layer_that_hides_nothing_is_refused(db, owner):
    patch = {"services": {"new": {"image": "a:1", "environment_variables": {"TOKEN": rules.MASK}}}}
    async with db.write() as tx:
        with pytest.raises(DomainError) as refused:
            await config.try_default(tx, owner, patch)
    assert refused.value.faults[0].pointer.startswith("/services/new")
