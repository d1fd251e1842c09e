"""A stream from an owner's PATCH to its figures, with a real server, agent and cameras."""

import json

import pytest

from e2e.fleet import until
from support.streams import alive, children, command_lines
from support.video import (
    Login,
    MjpegCamera,
    RtspCamera,
    clip,
    close_cameras,
    jpeg,
    needs_ffmpeg,
    unused_port,
)

pytestmark = pytest.mark.timeout(180)

PASSWORD = "Opensesame-77"


def stream(fleet, device_id, stream_id="cam"):
    found = fleet.ask("GET", f"/v1/devices/{device_id}/streams")["data"]
    return next(one for one in found if one["id"] == stream_id)


@pytest.fixture(autouse=True)
def _cameras():
    yield
    close_cameras()


def seen(found):
    return found["sharpness"] and found["camera_fps"] and found


def streams(fleet, device_id, **specs):
    patch = {"streams": specs, "config": {"report_interval_s": 5}}
    return fleet.ask("PATCH", f"/v1/devices/{device_id}/config", **patch)


def said(agent):
    """All that the agent tells of streams, in its reports and in its output."""
    told = [[body.get("streams"), body.get("logs"), body.get("events")] for body in agent.bodies()]
    return json.dumps(told) + "\n".join(command_lines())


def test_real_rates_and_sharpness_arrive_and_no_password_does(fleet, tmp_path):
    needs_ffmpeg()
    login = Login("Digest", "viewer", PASSWORD)
    rtsp = RtspCamera(clip(tmp_path / "clip.mp4"), login=login)
    http = MjpegCamera(jpeg(tmp_path / "one.jpg"), login=login)
    userinfo = f"viewer:{PASSWORD}@"
    agent, device_id = fleet.agent()
    streams(
        fleet,
        device_id,
        rtsp={"source": rtsp.url(userinfo=userinfo), "probe": {"every_s": 1}},
        http={"source": http.url(userinfo=userinfo), "probe": {"every_s": 1}},
        away={"source": f"rtsp://{userinfo}127.0.0.1:{unused_port()}/live"},
    )
    agent.start()
    for name in ("rtsp", "http"):
        told = until(lambda name=name: seen(stream(fleet, device_id, name)), f"{name} is seen")
        assert told["status"] == "running"
        assert 0 < told["camera_fps"] < 40
        assert PASSWORD not in json.dumps(told)
    away = until(
        lambda: (found := stream(fleet, device_id, "away"))["error"] and found, "it is away"
    )
    assert (away["status"], "refuses connections" in away["error"]) == ("reconnecting", True)
    assert PASSWORD not in said(agent)
    eyes = children(agent.pid)
    assert eyes
    assert agent.stop() == 0
    assert not any(alive(eye) for eye in eyes)
    rtsp.close()
    http.close()
    kept = json.dumps([fleet.rows(device_id, kind) for kind in ("logs", "events")])
    assert "refuses connections" in kept
    assert PASSWORD not in kept


def test_a_stream_that_leaves_the_config_ends_and_so_does_its_program(fleet, tmp_path):
    agent, device_id = fleet.agent()
    code = 'echo "{\\"status\\": \\"running\\", \\"pipeline_id\\": \\"$$\\"}"; cat'
    streams(fleet, device_id, cam={"command": ["sh", "-c", code]})
    agent.start()
    told = until(
        lambda: (found := stream(fleet, device_id))["pipeline_id"] and found, "the program runs"
    )
    assert alive(int(told["pipeline_id"]))
    streams(fleet, device_id, cam=None)
    until(lambda: not alive(int(told["pipeline_id"])), "the program ended")
    until(
        lambda: not fleet.ask("GET", f"/v1/devices/{device_id}/streams")["data"], "it is forgotten"
    )
    agent.stop()
