"""Devices changed, tagged, ended: one or many, tried first with --dry-run."""

import json

import httpx

from cli.devices import asked, enrol, made
from support.devices import rfc3339


def test_an_update_changes_what_is_given_and_nothing_else(cli):
    box = made(cli, "before", tags=["keep"], reference="r-1")
    before = asked(cli, f"devices/{box.id}")
    shown = cli.ok("device", "update", "before", "--name", "after")
    assert '-  "name": "before",' in shown.splitlines()
    assert '+  "name": "after",' in shown.splitlines()
    after = asked(cli, f"devices/{box.id}")
    changed = {key for key in before if before[key] != after[key]} - {"presence", "last_seen_at"}
    assert changed == {"name"}
    cli.ok("device", "update", box.id, "--no-reference", "--type", "pi")
    after = asked(cli, f"devices/{box.id}")
    assert (after["reference"], after["type"], after["tags"]) == (None, "pi", ["keep"])


def test_a_dry_run_of_an_update_shows_the_diff_and_changes_nothing(cli):
    box = made(cli, "untouched")
    done = cli.run("device", "update", "untouched", "--name", "touched", "--dry-run")
    assert done.returncode == 0
    assert '+  "name": "touched",' in done.stdout.splitlines()
    assert "nothing was changed" in done.stderr
    shown = cli.json("device", "update", "untouched", "--name", "touched", "--dry-run")
    assert (shown["before"]["name"], shown["after"]["name"]) == ("untouched", "touched")
    assert asked(cli, f"devices/{box.id}")["name"] == "untouched"


def test_an_update_of_nothing_is_exit_2(cli):
    made(cli, "same")
    assert "--name" in cli.refused(2, "device", "update", "same")
    cli.refused(2, "device", "update", "same", "--reference", "x", "--no-reference")


def test_tags_are_added_and_taken_away_on_many_devices(cli):
    ids = [made(cli, f"t{n}", tags=["old", "stays"]).id for n in range(3)]
    done = cli.json("device", "tag", *ids, "--add", "new", "--remove", "old")
    assert [row["result"] for row in done] == ["changed"] * 3
    for one in ids:
        assert sorted(asked(cli, f"devices/{one}")["tags"]) == ["new", "stays"]
    again = cli.json("device", "tag", *ids, "--add", "new", "--remove", "old")
    assert [row["result"] for row in again] == ["unchanged"] * 3
    cli.ok("device", "tag", ids[0], "--set", "alone")
    assert asked(cli, f"devices/{ids[0]}")["tags"] == ["alone"]


def test_a_dry_run_of_tagging_changes_nothing(cli):
    box = made(cli, "tag dry", tags=["old"])
    (row,) = cli.json("device", "tag", "tag dry", "--add", "new", "--dry-run")
    assert (row["result"], row["detail"]) == ("would change", "+new")
    assert asked(cli, f"devices/{box.id}")["tags"] == ["old"]


def test_bulk_work_that_fails_in_part_is_exit_7_and_says_which(cli):
    box = made(cli, "part")
    done = cli.run("device", "tag", "part", "nowhere", "--add", "x", "--json")
    assert done.returncode == 7
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert rows["part"]["result"] == "changed"
    assert rows["nowhere"]["result"] == "failed"
    assert "nowhere" in rows["nowhere"]["detail"]
    assert asked(cli, f"devices/{box.id}")["tags"] == ["x"]


def test_bulk_work_that_fails_in_whole_has_the_code_of_its_fault(cli):
    done = cli.run("device", "tag", "nowhere", "nobody", "--add", "x")
    assert done.returncode == 3


def test_nothing_is_deleted_without_a_yes(cli):
    box = made(cli, "precious")
    assert "--yes" in cli.refused(2, "device", "delete", "precious")
    (row,) = cli.json("device", "delete", "precious", "--dry-run")
    assert row["result"] == "would delete"
    assert asked(cli, f"devices/{box.id}")["name"] == "precious"


def test_a_deleted_device_is_gone_and_its_agent_is_told(cli):
    box = made(cli, "done for")
    (row,) = cli.json("device", "delete", "done for", "--yes")
    assert (row["result"], row["id"]) == ("deleted", box.id)
    answer = httpx.post(f"{cli.url}/v1/reports", content=box.report(), headers=box.headers)
    assert answer.status_code == 410
    cli.refused(3, "device", "delete", "done for", "--yes")


def test_agents_of_many_devices_are_asked_to_update(cli):
    boxes = [made(cli, f"agent {n}") for n in range(2)]
    options = ("--version", "9.9.9", "--downgrade")
    (row,) = cli.json("device", "update-agent", "agent 0", *options, "--dry-run")
    assert row["result"] == "would ask"
    assert asked(cli, f"devices/{boxes[0].id}/commands")["data"] == []
    rows = cli.json("device", "update-agent", "agent 0", boxes[1].id, *options)
    assert [row["result"] for row in rows] == ["asked"] * 2
    for box in boxes:
        (sent,) = asked(cli, f"devices/{box.id}/commands")["data"]
        assert sent["kind"] == "update_agent"
        assert sent["arguments"] == {"version": "9.9.9", "downgrade": True}


def test_a_fresh_token_moves_the_record_to_new_hardware(cli):
    old = made(cli, "moved")
    token = cli.json("token", "create", "moved", "--expires-in", "1h")
    new = enrol(cli.url, token["install_token"])
    assert new.id == old.id
    answer = httpx.post(f"{cli.url}/v1/reports", content=old.report(), headers=old.headers)
    assert answer.status_code == 401
    assert token["install_token"] in token["install_command"]


def test_a_token_that_would_live_too_long_is_exit_2(cli):
    made(cli, "short")
    cli.refused(2, "token", "create", "short", "--expires-in", "31d")
    assert "24h" in cli.refused(2, "token", "create", "short", "--expires-in", "soon")


def test_telemetry_and_events_are_shown_newest_first(cli):
    box = made(cli, "measured")
    times = ["2026-01-01T00:00:00.000Z"]
    box.send(
        telemetry=[{"at": rfc3339(), "cpu_percent": 12.5}, {"at": rfc3339(), "cpu_percent": 50.0}]
    )
    samples = cli.json("device", "telemetry", "measured")
    assert sorted(one["cpu_percent"] for one in samples) == [12.5, 50.0]
    assert [one["at"] for one in samples] == sorted((one["at"] for one in samples), reverse=True)
    (bucket,) = cli.json("device", "telemetry", "measured", "--bucket", "1h", "--limit", "1")
    assert bucket["samples"] == 2
    assert bucket["cpu_percent"] == 31.25
    assert cli.json("device", "telemetry", "measured", "--until", times[0]) == []
    event = {
        "id": "e1",
        "at": rfc3339(),
        "event": "app.began",
        "entity_type": "app",
        "entity_id": "a",
    }
    box.send(events=[event])
    (shown,) = cli.json("device", "events", "measured", "--event", "app.began")
    assert shown["entity_id"] == "a"
    assert "app.began" in cli.ok("device", "events", "measured")
