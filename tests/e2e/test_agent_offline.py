"""A device that was set up without a network, by what the real server signed."""

import json
import time

import pytest

from e2e.fleet import until
from support.agent import AgentProcess

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def given(fleet):
    """A device's id and what the owner carries to it."""
    device_id = fleet.made()["id"]
    made = fleet.ask("POST", f"/v1/devices/{device_id}/provisioning", expires_in_s=86_400)
    return device_id, made, fleet.ask("GET", "/v1/server-key")["public_key"]


def test_it_works_alone_and_enrols_at_the_first_contact(fleet, given):
    device_id, made, key = given
    agent = AgentProcess(fleet.folder / "agent")
    fleet.server.stop()
    stick = fleet.folder / "device.json"
    stick.write_text(json.dumps(made["device_json"]))
    done = agent.command("enroll", "--file", str(stick), "--server-key", key)
    assert done.returncode == 0, done.stderr
    assert device_id in done.stdout
    agent.start()
    until(lambda: agent.status()["rows_waiting"] > 2, "it has collected")
    agent.kill()
    agent.start()
    time.sleep(1)
    fleet.server.start()
    until(lambda: fleet.device(device_id)["status"] == "online", "it is online")
    until(
        lambda: (
            len([e for e in fleet.rows(device_id, "events") if e["event"] == "agent.started"]) == 2
        ),
        "what happened before the first contact is there",
    )
    assert agent.stop() == 0
    secret = json.loads(stick.read_text())["payload"]
    assert secret not in agent.log.read_text()
    again = agent.command("enroll", "--payload", "-", "--server-key", key, stdin=made["payload"])
    assert again.returncode == 0
    assert "already" in again.stdout


def test_a_payload_of_another_server_is_refused(fleet, given):
    _, made, key = given
    agent = AgentProcess(fleet.folder / "agent")
    mark, content, signature = made["payload"].split(".")
    other = ".".join((mark, content, signature[::-1]))
    for text, server_key in ((other, key), (made["payload"], key[::-1])):
        done = agent.command("enroll", "--payload", "-", "--server-key", server_key, stdin=text)
        assert done.returncode == 1
        assert "server key" in done.stderr
    assert not (agent.folder / "agent.db").exists()
