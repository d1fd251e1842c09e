"""A device's head: what it says, what can be done there, and by whom."""

import pytest

from dialects.native_kit import on_sqlite
from moorage.core import devices
from support.devices import rfc3339


@pytest.fixture
async def device(api):
    return await api.enroll(await api.make("gate", type="jetson", tags=["north"], reference="G-1"))


@pytest.fixture
def page(device):
    return f"/console/devices/{device.device_id}"


async def report(api, device, **parts):
    answer = await api.report(device, sent_at=rfc3339(), **parts)
    assert answer.status_code == 200, answer.text


async def test_the_head_says_what_the_device_is_and_whether_it_is_there(console, api, device, page):
    before = await console.owner.page(page)
    assert "never seen" in before
    facts = {"hostname": "gate-pc", "hardware": {"processor": "a fine one"}, "os": "linux"}
    await report(api, device, facts=facts)
    after = await console.owner.page(page)
    for text in (device.device_id, "jetson", "north", "G-1", "gate-pc", "a fine one", "online"):
        assert text in after
    assert "reported 0 s ago" in await console.owner.page(f"{page}/state", fragment=True)


async def test_an_owner_changes_name_type_tags_and_reference(console, api, device, page):
    form = {"name": "door", "type": "edge", "tags": "a, b,, a", "reference": ""}
    answer = await console.operator.post(f"{page}/edit", form)
    assert answer.headers["hx-redirect"] == page
    found = await api.read(f"/v1/devices/{device.device_id}")
    assert (found["name"], found["type"], found["tags"]) == ("door", "edge", ["a", "b"])
    assert found["reference"] is None
    assert (await console.owner.post(f"{page}/edit", {"name": "shed"})).status_code == 204
    found = await api.read(f"/v1/devices/{device.device_id}")
    assert (found["name"], found["tags"]) == ("shed", ["a", "b"]), "what is not told stays"


@on_sqlite
async def test_what_is_wrong_with_a_name_is_said_at_its_field(console, page):
    answer = await console.owner.post(f"{page}/edit", {"name": " "})
    assert answer.status_code == 422
    assert '"/name"' in answer.headers["hx-trigger"]


@on_sqlite
async def test_a_device_is_locked_out_and_let_in_again(console, api, device, page):
    assert (
        await console.owner.post(f"{page}/approval", {"approval": "rejected"})
    ).status_code == 204
    assert (await api.report(device)).status_code in (401, 403)
    shown = await console.owner.page(page)
    assert "Rejected" in shown
    assert "Its key opens nothing" in shown
    assert (
        await console.owner.post(f"{page}/approval", {"approval": "approved"})
    ).status_code == 204
    assert (await api.report(device)).status_code == 200
    assert (await console.owner.post(f"{page}/approval", {"approval": "maybe"})).status_code == 422


@on_sqlite
async def test_a_device_that_waits_is_approved_from_its_page(console, running, api, device, page):
    async with running.db.write() as tx:
        found = await devices.get(tx, console.owner.made.session.caller, device.device_id)
        await devices.set_approval(tx, found.ref, devices.Approval.PENDING)
    assert "Waiting for approval" in await console.owner.page(f"{page}/state", fragment=True)
    await console.owner.post(f"{page}/approval", {"approval": "approved"})
    assert "Waiting for approval" not in await console.owner.page(page)


@on_sqlite
async def test_what_somebody_should_know_stands_on_top(console, running, api, device, page):
    await api.report(
        device,
        sent_at=rfc3339(),
        config={"revision": 1, "digest": "sha256:00", "state": "failed", "error": "no such image"},
    )
    async with running.db.write() as tx:
        found = await devices.get(tx, console.owner.made.session.caller, device.device_id)
        await devices.flag_clone(tx, found.ref, "two at once")
        await devices.set_released(tx, found.ref, released=True)
    shown = await console.viewer.page(f"{page}/state", fragment=True)
    for text in ("revision 1 failed", "no such image", "Two copies", "Released for new hardware"):
        assert text in shown


@on_sqlite
async def test_a_clock_that_is_off_is_named(console, api, device, page):
    told = {"Moorage-Device-Time": "2026-01-01T00:00:00.000Z"}
    await api.report(device, headers=told)
    assert "behind the server" in await console.owner.page(page)


async def test_a_retired_device_is_gone_from_the_console(console, api, device, page):
    answer = await console.owner.post(f"{page}/retire")
    assert answer.headers["hx-redirect"] == "/console/devices"
    assert (await console.owner.get(page)).status_code == 404
    assert (await api.report(device)).status_code == 410


@on_sqlite
async def test_only_what_brought_an_id_is_released(console, page):
    assert "/release" not in await console.owner.page(page)
    assert (await console.owner.post(f"{page}/release")).status_code == 409


@on_sqlite
async def test_a_viewer_sees_the_device_and_no_actions(console, page):
    shown = await console.viewer.page(page)
    assert "gate" in shown
    for text in ("hx-post", "data-reveal", "Actions"):
        assert text not in shown
    assert "hx-post" in await console.operator.page(page)
