"""The tabs Streams and Services: what a device runs, and what can be asked of it."""

import html
import re

import pytest

from dialects.native_kit import JPEG, on_sqlite
from support.devices import rfc3339

ODD = "front/gate's"


@pytest.fixture
async def device(api):
    """A device that runs other things than its config says."""
    enrolled = await api.enroll()
    wanted = {
        "streams": {ODD: {"name": "Gate", "source": "rtsp://ann:hunter2@cam/1"}, "yard": {}},
        "services": {"camera": {"image": "example/camera", "tag": "2"}},
    }
    path = f"/v1/devices/{enrolled.device_id}/config"
    patched = await api.client.patch(path, json=wanted, headers=api.auth())
    assert patched.status_code == 200, patched.text
    await api.report(
        enrolled,
        sent_at=rfc3339(),
        streams=[
            {"id": ODD, "status": "running", "camera_fps": 24.91, "inference_fps": 8},
            {"id": "old", "status": "failed", "error": "no such camera"},
        ],
        services=[{"name": "db", "state": "running", "restarts": 14, "memory_mb": 80.2}],
    )
    return enrolled


async def kinds(api, device) -> list[tuple[str, dict]]:
    found = await api.read(f"/v1/devices/{device.device_id}/commands")
    return [(one["kind"], one["arguments"]) for one in found["data"]]


async def test_streams_show_what_is_wanted_what_runs_and_what_went_wrong(console, device):
    page = await console.viewer.page(f"/console/devices/{device.device_id}/streams")
    for text in ("24.9 fps", "no such camera", "not in its config", "has not reported it"):
        assert text in page
    assert "revision 2 is wanted" in page
    assert "hunter2" not in page
    assert 'name="kind"' not in page, "a viewer is offered nothing"


async def test_a_stream_is_acted_on_by_its_commands(console, api, device):
    path = f"/console/devices/{device.device_id}/streams"
    page = await console.operator.page(path)
    offered = set(re.findall(r'name="kind" value="(\w+)"', page))
    for kind in sorted(offered):
        answer = await console.operator.post(path, {"stream": ODD, "kind": kind})
        assert answer.status_code == 204, answer.text
        assert kind in answer.headers["hx-trigger"]
    assert await kinds(api, device) == [
        (kind, {"stream_id": ODD}) for kind in sorted(offered, reverse=True)
    ]
    assert {"pause_stream", "resume_stream", "terminate_stream", "snapshot"} < offered
    assert (await console.viewer.post(path, {"stream": ODD})).status_code == 403
    assert (await console.operator.post(path, {"stream": ODD})).status_code == 422


async def test_the_last_picture_of_a_stream_is_shown(console, api, device):
    path = f"/console/devices/{device.device_id}/streams"
    await console.operator.post(path, {"stream": ODD, "kind": "snapshot"})
    told = (await api.report(device, sequence=2, sent_at=rfc3339())).json()
    (command,) = told["commands"]
    address = f"/v1/commands/{command['id']}/snapshot"
    headers = {**device.auth, "Content-Type": "image/jpeg"}
    assert (await api.client.put(address, content=JPEG, headers=headers)).status_code == 204
    page = await console.viewer.page(path)
    image = html.unescape(re.search(r'<img src="([^"]+)"', page)[1])
    answer = await console.viewer.get(image)
    assert (answer.content, answer.headers["content-type"]) == (JPEG, "image/jpeg")
    assert answer.headers["cache-control"] == "no-store"
    assert (await console.viewer.get(f"{path}/picture?stream=yard")).status_code == 404


async def test_services_show_their_state_and_are_restarted(console, api, device):
    path = f"/console/devices/{device.device_id}/services"
    page = await console.viewer.page(path)
    for text in ("example/camera:2", "80 MB", ">14<", "not in its config", "/logs?service=db"):
        assert text in page
    assert "hx-confirm" not in page[page.index('id="services"') : page.index('id="notices"')]
    answer = await console.operator.post(f"{path}/restart", {"service": "db"})
    assert answer.status_code == 204
    assert await kinds(api, device) == [("restart_service", {"service": "db"})]
    assert (await console.viewer.post(f"{path}/restart", {"service": "db"})).status_code == 403
    nameless = await console.operator.post(f"{path}/restart", {"service": ""})
    assert nameless.status_code == 422


@on_sqlite
async def test_what_is_copied_quotes_the_names_of_streams(console, device):
    page = await console.owner.page(f"/console/devices/{device.device_id}/streams")
    copied = [html.unescape(one) for one in re.findall(r'data-copy="([^"]*)"', page)]
    assert f"""moorage stream pause {device.device_id} 'front/gate'"'"'s'""" in copied
    assert any("/streams/front%2Fgate%27s/pause" in one for one in copied)
    assert any(f"""act('{device.device_id}', "front/gate's", 'pause')""" in one for one in copied)
