"""A change of config, from the owner's PATCH to what the device proves."""

import sqlite3

import pytest

from e2e.fleet import until

pytestmark = pytest.mark.timeout(180)


def change(fleet, device_id, **patch):
    return fleet.ask("PATCH", f"/v1/devices/{device_id}/config", **patch)


def applied(fleet, device_id, revision, state="applied"):
    def holds():
        told = fleet.ask("GET", f"/v1/devices/{device_id}/config")["applied"]
        return (told["revision"], told["state"]) == (revision, state) and told

    return until(holds, f"revision {revision} is {state}")


def held(agent):
    with sqlite3.connect(agent.folder / "agent.db") as db:
        return dict(db.execute("SELECT name, value FROM meta WHERE name LIKE 'config_%'"))


def test_a_patched_config_is_fetched_kept_and_shown_applied(fleet):
    agent, device_id = fleet.agent()
    agent.start()
    applied(fleet, device_id, 1)
    app = {"command": ["sleep", "600"], "environment_variables": {"GREETING": "grüß €"}}
    services = {"app": {**app, "stable_s": 0}}
    # The next report is half a minute away: the device hears of it because it waits.
    view = change(fleet, device_id, services=services, config={"log_level": "debug"})
    applied(fleet, device_id, view["revision"])
    assert agent.stop() == 0
    assert held(agent)["config_digest"] == view["digest"]
    assert "gr\\u00fc\\u00df" in held(agent)["config_document"]
    # The level is asked for in the stored document only: a later run reports by it as well.
    assert agent.command("run", "--once").returncode == 0
    assert [row for row in fleet.rows(device_id, "logs") if row["severity"] == "debug"]


def test_a_cron_job_applies_a_config_and_answers_a_command_in_one_run(fleet):
    agent, device_id = fleet.agent()
    view = change(fleet, device_id, config={"report_interval_s": 60})
    sent = fleet.ask("POST", f"/v1/devices/{device_id}/commands", kind="ping")
    assert agent.command("run", "--once").returncode == 0
    applied(fleet, device_id, view["revision"])
    path = f"/v1/devices/{device_id}/commands/{sent['id']}"
    assert fleet.ask("GET", path)["state"] == "succeeded"
    assert agent.status()["report_interval_s"] == 60


def test_an_agent_that_was_killed_while_it_changed_ends_up_with_the_last_one(fleet):
    agent, device_id = fleet.agent()
    for number in range(5):
        agent.start()
        view = change(fleet, device_id, config={"report_interval_s": 5 + number})
        agent.kill()
    agent.start()
    applied(fleet, device_id, view["revision"])
    agent.stop()
    assert held(agent)["config_digest"] == view["digest"]
