"""Commands from the owner's API to the real agent and back."""

import random
import time

import pytest

from e2e.fleet import WITHIN_S, until

pytestmark = pytest.mark.timeout(180)

ENDED = ("succeeded", "failed", "expired", "cancelled")


@pytest.fixture
def running(fleet):
    agent, device_id = fleet.agent()
    fleet.ask("PATCH", f"/v1/devices/{device_id}/config", config={"report_interval_s": 5})
    agent.start()
    yield fleet, agent, device_id
    agent.kill()


def send(fleet, device_id, kind, **arguments):
    path = f"/v1/devices/{device_id}/commands"
    return fleet.ask("POST", path, kind=kind, arguments=arguments)["id"]


def ended(fleet, device_id, command_id):
    path = f"/v1/devices/{device_id}/commands/{command_id}"
    return until(
        lambda: (found := fleet.ask("GET", path))["state"] in ENDED and found, "the command ends"
    )


def named(fleet, device_id, event):
    return [e for e in fleet.rows(device_id, "events") if e["event"] == event]


def test_a_ping_is_answered_succeeded(running):
    fleet, _, device_id = running
    done = ended(fleet, device_id, send(fleet, device_id, "ping"))
    assert done["state"] == "succeeded"
    assert done["result"]["agent_version"] == fleet.device(device_id)["facts"]["agent_version"]


def test_what_a_device_cannot_do_is_answered_failed(running):
    fleet, _, device_id = running
    done = ended(fleet, device_id, send(fleet, device_id, "restart_service", service="camera"))
    assert done["state"] == "failed"
    assert "no service camera" in done["error"]


def test_collected_logs_bring_lines_that_were_held_back(running):
    fleet, _, device_id = running
    done = ended(fleet, device_id, send(fleet, device_id, "collect_logs", for_s=60))
    assert done["result"]["lines"] > 0
    until(
        lambda: [r for r in fleet.rows(device_id, "logs") if r["severity"] == "debug"],
        "lines of debugging are there",
    )


def test_a_restarted_agent_comes_back_under_the_same_process_id_and_once(running):
    fleet, agent, device_id = running
    until(lambda: len(named(fleet, device_id, "agent.started")) == 1, "its first start is there")
    before = agent.pid
    command_id = send(fleet, device_id, "restart_agent")
    done = ended(fleet, device_id, command_id)
    assert (done["state"], done["result"]["restarted"]) == ("succeeded", True)
    until(lambda: len(named(fleet, device_id, "agent.started")) == 2, "its second start is there")
    again = ended(fleet, device_id, send(fleet, device_id, "ping"))
    assert again["state"] == "succeeded"
    assert again["result"]["agent_uptime_s"] < WITHIN_S
    assert agent.pid == before
    assert agent.stop() == 0
    # A third start by a person, and the restart is not done once more.
    agent.start()
    until(lambda: len(named(fleet, device_id, "agent.started")) == 3, "its third start is there")
    assert len(named(fleet, device_id, "command.succeeded")) == 2


def test_commands_to_an_agent_that_is_killed_again_and_again_are_each_run_once(running):
    fleet, agent, device_id = running
    sent = []
    for number in range(8):
        kind = ("ping", "restart_agent", "collect_logs", "reboot")[number % 4]
        sent.append((send(fleet, device_id, kind), kind))
        time.sleep(random.uniform(0.05, 1.6))
        agent.kill()
        agent.start()
    states = {kind: [] for _, kind in sent}
    for command_id, kind in sent:
        states[kind].append(ended(fleet, device_id, command_id)["state"])
    assert states == {
        "ping": ["succeeded"] * 2,
        "restart_agent": ["succeeded"] * 2,
        "collect_logs": ["succeeded"] * 2,
        "reboot": ["failed"] * 2,
    }
    agent.stop()
    lines = [row["message"] for row in fleet.rows(device_id, "logs")]
    for command_id, _ in sent:
        # A line may be lost with the process that was killed, but never be there twice.
        assert sum(line.startswith(f"command {command_id}: ") for line in lines) <= 1
    assert sum("restarting, as asked" in line for line in lines) <= 2
