"""A service from an owner's PATCH to what runs on the device, with a real server and agent."""

import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from e2e.fleet import until
from support import docker

pytestmark = pytest.mark.timeout(180)


def change(fleet, device_id, **patch):
    return fleet.ask("PATCH", f"/v1/devices/{device_id}/config", **patch)


def reaches(fleet, device_id, revision, state):
    def holds():
        told = fleet.ask("GET", f"/v1/devices/{device_id}/config")["applied"]
        return (told["revision"], told["state"]) == (revision, state) and told

    return until(holds, f"revision {revision} is {state}")


def named(fleet, device_id, event):
    return [row for row in fleet.rows(device_id, "events") if row["event"] == event]


def appends(path, text):
    code = f"open({str(path)!r}, 'a').write({text!r} + '\\n'); import time; time.sleep(600)"
    return {"command": [sys.executable, "-c", code], "stable_s": 1}


def running(path):
    return path.read_text().split() if path.exists() else []


def test_a_good_config_runs_and_a_bad_one_goes_back_with_its_reason(fleet, tmp_path):
    agent, device_id = fleet.agent()
    starts = Path(tmp_path) / "starts"
    good = change(fleet, device_id, services={"app": appends(starts, "good")})
    agent.start()
    reaches(fleet, device_id, good["revision"], "applied")
    found = fleet.ask("GET", f"/v1/devices/{device_id}/services")["data"]
    assert [(one["name"], one["state"]) for one in found] == [("app", "running")]
    crashes = {"command": [sys.executable, "-c", "raise SystemExit('no licence')"]}
    bad = change(fleet, device_id, services={"app": crashes})
    told = reaches(fleet, device_id, bad["revision"], "failed")
    assert "no licence" in told["error"]
    until(lambda: running(starts) == ["good", "good"], "the service of before runs again")
    applied = named(fleet, device_id, "device.config_applied")
    assert [event["metadata"]["revision"] for event in applied] == [good["revision"]]
    [failed] = named(fleet, device_id, "device.config_failed")
    assert failed["metadata"]["revision"] == bad["revision"]
    assert "no licence" in failed["description"]
    # Killed and started again it does not try once more, and says the same.
    agent.kill()
    agent.start()
    until(lambda: running(starts) == ["good"] * 3, "the service runs after the crash")
    better = change(fleet, device_id, services={"app": appends(starts, "better")})
    reaches(fleet, device_id, better["revision"], "applied")
    agent.stop()
    assert running(starts) == ["good", "good", "good", "better"]
    assert len(named(fleet, device_id, "device.config_failed")) == 1


def test_an_agent_killed_while_it_changes_services_ends_up_with_the_last_ones(fleet, tmp_path):
    agent, device_id = fleet.agent()
    starts = Path(tmp_path) / "starts"
    for number in range(5):
        agent.start()
        view = change(fleet, device_id, services={"app": appends(starts, f"v{number}")})
        agent.kill()
    agent.start()
    reaches(fleet, device_id, view["revision"], "applied")
    agent.stop()
    assert running(starts)[-1] == "v4"


def test_a_container_runs_as_its_owner_says_and_goes_back_when_it_cannot(
    fleet, tmp_path, monkeypatch
):
    folder = Path(tempfile.mkdtemp(prefix="moorage-docker-"))
    engine = docker.started(folder)
    try:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{engine.socket}")
        image = engine.import_busybox("1")
        agent, device_id = fleet.agent()
        agent.start()
        entry = {"image": image, "command": "sleep 600", "stable_s": 1, "stop_after_s": 0}
        good = change(fleet, device_id, services={"app": entry})
        reaches(fleet, device_id, good["revision"], "applied")
        # It is killed in the middle of a change that cannot end well.
        bad = change(fleet, device_id, services={"app": {"command": "sh -c 'exit 3'"}})
        until(lambda: "exit 3" in commands(engine), "the new container is there")
        agent.kill()
        agent.start()
        told = reaches(fleet, device_id, bad["revision"], "failed")
        assert told["error"].startswith("app: it was restarted")
        until(lambda: commands(engine) == "sleep 600", "the container of before runs again")
        # What runs outlives the agent.
        agent.stop()
        assert commands(engine) == "sleep 600"
    finally:
        engine.remove_all()
        engine.stop()
        shutil.rmtree(folder)


def commands(engine):
    found = engine.engine.call("GET", "/containers/json", query={"all": 1})
    return " ".join(one["Command"] for one in found)
