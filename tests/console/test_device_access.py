"""The tabs Keys and Access: what opens a device's record, and the ways to set it up anew."""

import html
import re

import pytest

from dialects.native_kit import on_sqlite
from support.devices import rfc3339


@pytest.fixture
async def device(api):
    return await api.enroll()


def key_states(page: str) -> list[str]:
    table = page[page.index('id="keys"') : page.index("A key's text is known")]
    return re.findall(r"<span>(works|locked|revoked)</span>", table)


async def test_a_rotated_key_is_shown_once_and_the_old_one_opens_nothing(console, api, device):
    path = f"/console/devices/{device.device_id}/keys"
    before = await console.viewer.page(path)
    assert key_states(before) == ["works"]
    assert f"{device.key[:8]}" in before
    assert device.key not in before
    answer = await console.operator.post(f"{path}/rotate")
    new = re.search(r'data-copy="(adk_[0-9a-f]+)"', answer.text)[1]
    assert key_states(answer.text) == ["works", "revoked"]
    assert (await api.report(device, sent_at=rfc3339())).status_code == 401
    assert (await api.report(new, sent_at=rfc3339())).status_code == 200
    assert new not in await console.operator.page(path)


async def test_a_device_that_is_locked_out_says_so_and_keeps_its_key_from_rotating(
    console, api, device
):
    page = f"/console/devices/{device.device_id}"
    answer = await console.operator.post(f"{page}/approval", {"approval": "rejected"})
    assert answer.status_code == 204
    assert key_states(await console.operator.page(f"{page}/keys")) == ["locked"]
    refused = await console.operator.post(f"{page}/keys/rotate")
    assert refused.status_code == 409
    assert "approve it first" in refused.text
    await console.operator.post(f"{page}/approval", {"approval": "approved"})
    assert (await api.report(device, sent_at=rfc3339())).status_code == 200


async def test_access_offers_a_fresh_command_that_enrols_into_the_same_record(console, api, device):
    path = f"/console/devices/{device.device_id}/access"
    page = await console.operator.page(path)
    assert "inst_" not in page
    make = re.search(r'hx-post="([^"]+/command)"', page)[1]
    made = (await console.operator.post(make)).text
    token = re.search(r"inst_[0-9a-f]{48}", html.unescape(made))[0]
    answer = await api.client.post("/v1/enroll", json={"install_token": token})
    assert answer.json()["device_id"] == device.device_id
    assert token not in await console.operator.page(path)


@on_sqlite
async def test_access_offers_a_code_and_a_file_for_a_device_without_a_network(console, device):
    page = await console.operator.page(f"/console/devices/{device.device_id}/access")
    make = re.search(r'hx-post="([^"]+/bundle)"', page)[1]
    made = await console.operator.post(make, {"days": "30"})
    assert 'src="data:image/svg+xml;base64,' in made.text
    assert 'href="data:application/json;base64,' in made.text


@on_sqlite
async def test_what_was_tried_is_told_and_a_viewer_is_offered_nothing(console, api, device):
    again = await api.client.post("/v1/enroll", json={"install_token": device.install_token})
    assert again.status_code == 401, again.text
    page = await console.viewer.page(f"/console/devices/{device.device_id}/access")
    assert "refused:" in page
    assert "No Portainer is set up" in page
    keys = await console.viewer.page(f"/console/devices/{device.device_id}/keys")
    for shown in (page, keys):
        tab = shown[shown.index("device-tabs") : shown.index('id="notices"')]
        assert "hx-post" not in tab


@on_sqlite
async def test_hardware_that_brought_an_id_can_be_released_from_here(console, api):
    token = await api.client.post(
        "/v1/provisioning-tokens", json={"name": "many"}, headers=api.auth()
    )
    body = {"provisioning_token": token.json()["token"], "device": {"device_id": "HW-1"}}
    enrolled = await api.client.post("/v1/enroll", json=body)
    assert enrolled.status_code == 200, enrolled.text
    path = f"/console/devices/{enrolled.json()['device_id']}"
    assert f'hx-post="{path}/release"' in await console.operator.page(f"{path}/access")
    await console.operator.post(f"{path}/release")
    assert "Released" in await console.viewer.page(f"{path}/keys")
