"""Streams and services of a device: shown, and streams asked to pause, go on, end."""

import json

import pytest

from cli.devices import asked, made

STREAMS = {
    "cam-1": {"name": "door", "source": "rtsp://user:hush@10.0.0.9/live"},
    "cam-2": {"name": "gate", "source": "rtsp://10.0.0.10/live"},
    "cam-3": {"name": "gate", "source": "rtsp://10.0.0.11/live"},
}


def running(cli, name: str):
    """A device with streams and services, some of which it has reported."""
    box = made(cli, name)
    wanted = {"streams": STREAMS, "services": {"app": {"image": "app:1"}}}
    asked(cli, f"devices/{box.id}/config", "PATCH", wanted)
    box.send(
        streams=[{"id": "cam-1", "status": "running", "camera_fps": 29.5, "error": "late frames"}],
        services=[{"name": "app", "state": "running", "image": "app:1", "restarts": 3}],
    )
    return box


def rows_of(shown: str):
    head, *rows = [line.split("\t") for line in shown.splitlines()]
    return {row[0]: dict(zip(head, row, strict=True)) for row in rows}


def test_streams_are_listed_as_configured_and_as_reported(cli):
    box = running(cli, "streams")
    listed = cli.json("stream", "list", "streams")
    assert listed == asked(cli, f"devices/{box.id}/streams")["data"]
    rows = rows_of(cli.ok("stream", "list", "streams"))
    assert (rows["cam-1"]["name"], rows["cam-1"]["status"]) == ("door", "running")
    assert (rows["cam-1"]["camera fps"], rows["cam-1"]["error"]) == ("29.5", "late frames")
    assert rows["cam-2"]["name"] == "gate"
    assert "hush" not in cli.ok("stream", "list", "streams", "--json")
    cli.refused(3, "stream", "list", "nowhere")


def test_services_are_listed_as_reported(cli):
    box = running(cli, "services")
    listed = cli.json("device", "services", "services")
    assert listed == asked(cli, f"devices/{box.id}/services")["data"]
    row = rows_of(cli.ok("device", "services", "services"))["app"]
    assert (row["state"], row["image"], row["restarts"]) == ("running", "app:1", "3")


@pytest.mark.parametrize("action", ["pause", "resume", "terminate", "trigger"])
def test_what_is_asked_of_a_stream_reaches_the_device(cli, action):
    box = running(cli, f"asked to {action}")
    sent = cli.json("stream", action, box.id, "cam-1")
    (got,) = box.send()["commands"]
    assert got["id"] == sent["id"]
    assert (got["kind"], got["arguments"]) == (f"{action}_stream", {"stream_id": "cam-1"})


def test_a_stream_goes_by_a_name_only_it_has(cli):
    box = running(cli, "by name")
    cli.ok("stream", "pause", "by name", "door")
    (got,) = box.send()["commands"]
    assert got["arguments"] == {"stream_id": "cam-1"}
    said = cli.refused(2, "stream", "pause", "by name", "gate")
    assert "cam-2" in said
    assert "cam-3" in said


@pytest.mark.parametrize(("named", "code"), [("cam-9", 3), ("", 2), ("..", 2)])
def test_a_stream_that_is_not_there_is_refused_and_nothing_is_queued(cli, named, code):
    box = running(cli, f"slip {named}")
    cli.refused(code, "stream", "terminate", box.id, named)
    assert box.send()["commands"] == []


def test_a_dry_run_queues_nothing(cli):
    box = running(cli, "dry stream")
    shown = cli.run("stream", "terminate", "dry stream", "door", "--dry-run", "--json")
    assert shown.returncode == 0
    after = json.loads(shown.stdout)["after"]
    assert (after["kind"], after["arguments"]) == ("terminate_stream", {"stream_id": "cam-1"})
    assert box.send()["commands"] == []


@pytest.mark.parametrize(("state", "code"), [("succeeded", 0), ("failed", 1)])
def test_wait_follows_it_to_its_end(cli, state, code):
    box = running(cli, f"waits until {state}")
    process = cli.start(
        *("stream", "pause", box.id, "cam-1", "--wait", "--timeout", "1m", "--every", "0.5")
    )
    got = []
    for _ in range(2000):
        got = box.send()["commands"]
        if got or process.poll() is not None:
            break
    error = "no camera" if state == "failed" else None
    box.send(commands=[{"id": got[0]["id"], "state": state, "error": error}])
    out, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    assert state in out


def test_a_key_that_may_send_but_not_look_is_taken_at_its_word(cli):
    box = running(cli, "unseen")
    narrow = asked(cli, "api-keys", "POST", {"name": "sender", "scopes": ["command:send"]})
    cli.key = narrow["key"]
    cli.login()
    cli.ok("stream", "pause", box.id, "cam-1")
    (got,) = box.send()["commands"]
    assert got["arguments"] == {"stream_id": "cam-1"}
