"""Workspaces: with the administration's key all of them, with an owner's its own."""

import json

import httpx
import pytest

from cli.devices import asked


@pytest.fixture
def admin(cli, server):
    """Logged in with a key of whoever runs the server."""
    done = cli.prestarted.run(["admin-key", "--json", *server._options], server._env)
    cli.key = json.loads(done.stdout)["admin_key"]
    return cli.login()


def status_of(cli, key: str) -> int:
    answer = httpx.get(f"{cli.url}/v1/devices", headers={"Authorization": f"Bearer {key}"})
    return answer.status_code


def test_a_workspace_made_has_keys_that_work_and_are_shown_this_once(admin):
    made = admin.json(
        *("workspace", "create", "harbour", "--name", "The harbour", "--feature", "deviceAio")
    )
    assert asked(admin, "workspaces/harbour")["name"] == "The harbour"
    assert asked(admin, "workspaces/harbour")["features"] == ["deviceAio"]
    for key in (made["api_key"], made["test_api_key"]):
        assert status_of(admin, key) == 200
        for later in (("list",), ("list", "--json"), ("get", "harbour", "--json")):
            assert key not in admin.ok("workspace", *later)
    shown = admin.run("workspace", "create", "quay")
    keys = [line.split()[-1] for line in shown.stdout.splitlines()]
    assert [status_of(admin, key) for key in keys] == [200, 200]
    assert not any(key in shown.stderr for key in keys)


def test_workspaces_are_listed_shown_and_changed(admin):
    admin.ok("workspace", "create", "pier", "--feature", "deviceAio")
    assert "pier" in [one["slug"] for one in admin.json("workspace", "list")]
    assert "pier" in admin.ok("workspace", "list")
    dry = admin.json("workspace", "update", "pier", "--name", "Pier 9", "--dry-run")
    assert (dry["before"]["name"], dry["after"]["name"]) == ("pier", "Pier 9")
    assert asked(admin, "workspaces/pier")["name"] == "pier"
    shown = admin.ok("workspace", "update", "pier", "--name", "Pier 9").splitlines()
    assert '+  "name": "Pier 9",' in shown
    assert asked(admin, "workspaces/pier")["features"] == ["deviceAio"]
    admin.ok("workspace", "update", "pier", "--no-features")
    assert asked(admin, "workspaces/pier")["features"] == []
    assert "Pier 9" in admin.ok("workspace", "get", "pier")


def test_how_long_a_workspace_keeps_what_is_chosen_and_given_back(cli):
    (own,) = cli.json("workspace", "list")
    path = f"workspaces/{own['slug']}"
    dry = cli.json("workspace", "update", own["slug"], "--keep-logs", "3", "--dry-run")
    assert (dry["before"]["retention"]["logs_days"], dry["after"]["retention"]["logs_days"]) == (
        7.0,
        3.0,
    )
    cli.ok("workspace", "update", own["slug"], "--keep-logs", "3", "--keep-telemetry", "1.5")
    assert asked(cli, path)["retention_own"] == ["logs_days", "telemetry_days"]
    assert "1.5 days (its own choice)" in cli.ok("workspace", "get", own["slug"])
    cli.ok("workspace", "update", own["slug"], "--keep-logs", "default")
    assert asked(cli, path)["retention_own"] == ["telemetry_days"]
    cli.refused(2, "workspace", "update", own["slug"], "--keep-logs", "long")
    cli.refused(2, "workspace", "update", own["slug"], "--keep-logs", "400")
    cli.ok("workspace", "update", own["slug"], "--keep-telemetry", "default")


def test_what_cannot_be_is_refused_with_its_code(admin):
    admin.ok("workspace", "create", "taken")
    admin.refused(5, "workspace", "create", "taken")
    admin.refused(2, "workspace", "create", "No Slug")
    admin.refused(3, "workspace", "get", "nowhere")
    admin.refused(2, "workspace", "get", "..")
    admin.refused(2, "workspace", "update", "taken")
    admin.refused(2, "workspace", "update", "taken", "--feature", "x", "--no-features")
    admin.ok("workspace", "create", "ghost", "--dry-run")
    admin.refused(3, "workspace", "get", "ghost")


def test_an_owner_sees_its_own_and_makes_none(cli):
    (own,) = cli.json("workspace", "list")
    assert cli.json("workspace", "get", own["slug"])["id"] == own["id"]
    cli.refused(4, "workspace", "create", "mine-too")
    cli.ok("workspace", "update", own["slug"], "--name", "Renamed")
    assert asked(cli, f"workspaces/{own['slug']}")["name"] == "Renamed"
