"""The real agent against the real server: what it made arrives, once, whatever happens."""

import random
import shutil
import subprocess
import time
from collections import Counter
from typing import Any

import httpx
import pytest

from e2e.fleet import WITHIN_S, Fleet, until
from support.agent import AgentProcess

pytestmark = pytest.mark.timeout(180)


def started(fleet: Fleet, device_id: str) -> list[dict[str, Any]]:
    return [e for e in fleet.rows(device_id, "events") if e["event"] == "agent.started"]


def test_an_enrolled_machine_is_online_with_facts_figures_and_a_line(fleet):
    agent, device_id = fleet.agent()
    agent.start()
    device = until(
        lambda: (d := fleet.device(device_id))["status"] == "online" and d, "it is online"
    )
    assert agent.stop() == 0
    assert device["facts"]["platform"] == "Linux"
    assert device["facts"]["hardware"]["total_memory_mb"] > 0
    sample = fleet.rows(device_id, "telemetry")[0]
    assert 0 <= sample["memory_percent"] <= 100
    assert any("started" in row["message"] for row in fleet.rows(device_id, "logs"))


def test_an_agent_killed_again_and_again_delivers_everything_exactly_once(fleet):
    agent, device_id = fleet.agent()
    for _ in range(12):
        agent.start()
        time.sleep(random.uniform(0.05, 1.6))
        agent.kill()
    agent.start()
    until(lambda: agent.status()["reports_waiting"] == 0 and started(fleet, device_id), "delivery")
    time.sleep(1.5)
    agent.stop()
    until(lambda: agent.command("run", "--once").returncode == 0, "the rest is delivered")
    sent = agent.bodies()
    for part, name, row_id in (("events", "events", "id"), ("logs", "logs", "message")):
        expected = Counter(row[row_id] for body in sent for row in body.get(part, ()))
        told = [r for r in fleet.rows(device_id, name) if r.get("event", "agent.")[:6] == "agent."]
        assert Counter(row[row_id] for row in told) == expected
    ids = [event["id"] for event in started(fleet, device_id)]
    assert len(ids) == len(set(ids))
    samples = [row["at"] for body in sent for row in body.get("telemetry", ())]
    assert sorted(row["at"] for row in fleet.rows(device_id, "telemetry")) == sorted(samples)


def test_a_network_that_was_away_costs_nothing(fleet):
    agent, device_id = fleet.agent()
    fleet.ask("PATCH", f"/v1/devices/{device_id}/config", config={"report_interval_s": 5})
    agent.start()
    until(lambda: fleet.rows(device_id, "telemetry"), "the first sample")
    fleet.server.stop()
    time.sleep(8)
    fleet.server.start()
    until(lambda: len(fleet.rows(device_id, "telemetry")) >= 3, "samples from the time between")
    agent.stop()
    times = [row["at"] for row in fleet.rows(device_id, "telemetry")]
    assert len(times) == len(set(times))
    assert fleet.device(device_id)["clone_suspected_at"] is None
    assert not [e for e in fleet.rows(device_id, "events") if e["event"] == "reports.forked"]


def test_a_lost_enrolment_answer_is_answered_again(fleet):
    made = fleet.made()
    agent = AgentProcess(fleet.folder / "agent")
    first = agent.enrol(fleet.server.base_url, made["install_token"])
    assert first.returncode == 0
    before = agent.folder.with_name("before")
    shutil.copytree(agent.folder, before)
    # As if the answer had been lost: the key was proposed and is on disk, nothing else.
    import sqlite3  # noqa: PLC0415 - this test alone looks inside

    with sqlite3.connect(agent.folder / "agent.db") as db:
        key = db.execute("SELECT value FROM meta WHERE name = 'key'").fetchone()[0]
        db.execute("DELETE FROM meta WHERE name IN ('key', 'device_id', 'server')")
        db.execute("INSERT INTO meta VALUES ('proposed_key', ?)", (key,))
    second = agent.enrol(fleet.server.base_url, made["install_token"])
    assert second.returncode == 0, second.stderr
    assert agent.command("run", "--once").returncode == 0


def test_a_spent_token_enrols_nobody_else(fleet):
    made = fleet.made()
    assert (
        AgentProcess(fleet.folder / "a")
        .enrol(fleet.server.base_url, made["install_token"])
        .returncode
        == 0
    )
    other = AgentProcess(fleet.folder / "b").enrol(fleet.server.base_url, made["install_token"])
    assert other.returncode == 1
    assert "used already" in other.stderr


def test_a_disk_set_back_goes_on_as_a_new_store_and_loses_nothing(fleet):
    agent, device_id = fleet.agent()
    assert agent.command("run", "--once").returncode == 0
    shutil.copytree(agent.folder, fleet.folder / "yesterday")
    for _ in range(2):
        assert agent.command("run", "--once").returncode == 0
    shutil.rmtree(agent.folder)
    shutil.copytree(fleet.folder / "yesterday", agent.folder)
    agent.start()
    until(lambda: len(started(fleet, device_id)) == 4, "the fourth start is there")
    agent.stop()
    events = fleet.rows(device_id, "events")
    assert len([e for e in events if e["event"] == "reports.forked"]) == 1
    # One copy only: the old store never speaks again, so nobody is suspected.
    assert fleet.device(device_id)["clone_suspected_at"] is None


def test_two_clones_of_one_disk_are_flagged_and_neither_loses_its_own(fleet):
    agent, device_id = fleet.agent()
    assert agent.command("run", "--once").returncode == 0
    clone = AgentProcess(fleet.folder / "clone")
    shutil.copytree(agent.folder, clone.folder)
    for one in (agent, clone, agent, clone):
        one.start()
        before = len(started(fleet, device_id))
        until(lambda before=before: len(started(fleet, device_id)) > before, "its start is there")
        one.stop()
    assert fleet.device(device_id)["clone_suspected_at"] is not None
    names = Counter(e["event"] for e in fleet.rows(device_id, "events"))
    assert names["device.clone_suspected"] == 1
    assert names["agent.started"] == 5


def test_an_emptied_server_volume_never_ends_an_agent(fleet):
    agent, device_id = fleet.agent()
    assert agent.command("run", "--once").returncode == 0
    fleet.server.stop()
    data = fleet.server.folder / "data"
    data.rename(fleet.folder / "volume")
    fleet.server.start()
    agent.start()
    until(lambda: "refuses this device's key" in agent.log.read_text(), "the key is refused")
    assert agent.status()["rows_waiting"] + agent.status()["reports_waiting"] > 0
    agent.stop()
    fleet.server.stop()
    shutil.rmtree(data)
    (fleet.folder / "volume").rename(data)
    fleet.server.start()
    agent.start()
    until(lambda: len(started(fleet, device_id)) == 3, "every start is there once the volume is")
    agent.stop()


def test_a_server_restored_from_a_backup_is_sent_what_it_lost(fleet):
    agent, device_id = fleet.agent()
    assert agent.command("run", "--once").returncode == 0
    fleet.server.stop()
    shutil.copytree(fleet.server.folder / "data", fleet.folder / "backup")
    fleet.server.start()
    for _ in range(2):
        assert agent.command("run", "--once").returncode == 0
    fleet.server.stop()
    shutil.rmtree(fleet.server.folder / "data")
    shutil.copytree(fleet.folder / "backup", fleet.server.folder / "data")
    fleet.server.start()
    agent.start()
    until(lambda: len(started(fleet, device_id)) == 4, "the lost ones are there again")
    agent.stop()
    ids = [event["id"] for event in started(fleet, device_id)]
    assert len(ids) == len(set(ids))


def test_a_deleted_device_ends_its_agent_for_good(fleet):
    agent, device_id = fleet.agent()
    agent.start()
    until(lambda: fleet.device(device_id)["status"] == "online", "it is online")
    agent.stop()
    fleet.ask("DELETE", f"/v1/devices/{device_id}")
    agent.start()
    assert agent.exit_code(WITHIN_S) == 0
    assert agent.status()["retired"] is True
    again = agent.command("run")
    assert again.returncode == 0
    assert "deleted on the server" in again.stderr


def test_only_one_agent_runs_on_a_store(fleet):
    agent, device_id = fleet.agent()
    agent.start()
    until(lambda: fleet.device(device_id)["status"] == "online", "it is online")
    second = agent.command("run")
    agent.stop()
    assert second.returncode == 1
    assert "another agent is running" in second.stderr


def test_no_secret_reaches_a_log_or_an_answer(fleet):
    agent, device_id = fleet.agent()
    assert agent.command("run", "--once").returncode == 0
    import sqlite3  # noqa: PLC0415 - this test alone looks inside

    with sqlite3.connect(agent.folder / "agent.db") as db:
        key = db.execute("SELECT value FROM meta WHERE name = 'key'").fetchone()[0]
    told = str([fleet.device(device_id), *(fleet.rows(device_id, k) for k in ("logs", "events"))])
    assert key not in told
    assert key not in fleet.server.log.read_text()
    assert fleet.key not in fleet.server.log.read_text()


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_installer_brings_the_agent_without_root_and_takes_it_away(fleet, shell):
    made = fleet.made()
    prefix = fleet.folder / "it's a prefix"
    script = httpx.get(f"{fleet.server.base_url}/devices/v2/{made['install_token']}/install.sh")
    arguments = [shell, "-s", "--", "--prefix", str(prefix), "--no-service"]
    installed = subprocess.run(arguments, input=script.content, capture_output=True, check=False)
    assert installed.returncode == 0, installed.stderr
    once = subprocess.run(
        [prefix / "bin" / "moorage-agent", "run", "--once"], capture_output=True, check=False
    )
    assert once.returncode == 0, once.stderr
    assert fleet.device(made["id"])["status"] == "online"
    removed = subprocess.run(
        [*arguments, "--uninstall"], input=script.content, capture_output=True, check=False
    )
    assert removed.returncode == 0, removed.stderr
    assert not prefix.exists()
