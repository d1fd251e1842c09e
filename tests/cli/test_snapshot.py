"""Pictures of streams: asked of the device, waited for, written where they are wanted."""

import json
import stat

import httpx
import pytest

from cli.devices import asked, made
from cli.terminal import at_a_terminal, plain
from dialects.native_kit import JPEG


def with_camera(cli, name: str):
    box = made(cli, name)
    wanted = {"streams": {"cam-1": {"name": "door", "source": "rtsp://10.0.0.9/live"}}}
    asked(cli, f"devices/{box.id}/config", "PATCH", wanted)
    return box


def bring(cli, box, command, jpeg: bytes) -> None:
    """What a device does with a picture, before it says that it succeeded."""
    headers = {**box.headers, "Content-Type": "image/jpeg"}
    path = f"{cli.url}/v1/commands/{command['id']}/snapshot"
    answer = httpx.put(path, content=jpeg, headers=headers)
    assert answer.status_code == 204, answer.text


def command_for(box, process):
    """The command once it is there; the device asks until then, or until nobody waits any more."""
    for _ in range(2000):
        got = box.send()["commands"]
        if got:
            return got[0]
        assert process.poll() is None, process.communicate()
    raise AssertionError("no command came")


def answered(cli, box, *options, jpeg=JPEG, **result):
    """Run ``stream snapshot`` while the device answers; return its exit code and what it says."""
    process = cli.start("stream", "snapshot", box.id, "door", "--every", "0.5", *options)
    command = command_for(box, process)
    assert (command["kind"], command["arguments"]) == ("snapshot", {"stream_id": "cam-1"})
    if jpeg is not None:
        bring(cli, box, command, jpeg)
    box.send(commands=[{"id": command["id"], "state": "succeeded", "error": None, **result}])
    out, errors = process.communicate(timeout=60)
    return process.returncode, out, errors


def test_a_picture_is_written_for_its_owner_only(cli, tmp_path):
    box = with_camera(cli, "pictured")
    file = tmp_path / "door.jpg"
    code, out, errors = answered(cli, box, "--output", file)
    assert code == 0, errors
    assert file.read_bytes() == JPEG
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert str(file) in out


def test_a_file_that_is_there_is_left_alone_without_force(cli, tmp_path):
    box = with_camera(cli, "kept")
    file = tmp_path / "door.jpg"
    file.write_bytes(b"mine")
    said = cli.refused(2, "stream", "snapshot", box.id, "door", "--output", file)
    assert "--force" in said
    assert file.read_bytes() == b"mine"
    assert box.send()["commands"] == [], "the camera was asked for nothing"
    code, _, errors = answered(cli, box, "--output", file, "--force")
    assert code == 0, errors
    assert file.read_bytes() == JPEG


def test_a_file_made_meanwhile_is_left_alone_too(cli, tmp_path):
    box = with_camera(cli, "raced")
    file = tmp_path / "door.jpg"
    process = cli.start("stream", "snapshot", box.id, "door", "--every", "0.5", "-o", file)
    command = command_for(box, process)
    file.write_bytes(b"faster")
    bring(cli, box, command, JPEG)
    box.send(commands=[{"id": command["id"], "state": "succeeded", "error": None}])
    process.communicate(timeout=60)
    assert process.returncode == 2
    assert [one.name for one in tmp_path.glob("*.jpg")] == ["door.jpg"]
    assert not list(tmp_path.glob(".moorage-*"))
    assert file.read_bytes() == b"faster"


def test_a_picture_that_the_device_cannot_make_leaves_nothing(cli, tmp_path):
    box = with_camera(cli, "dark")
    told = {"state": "failed", "error": "the camera is dark"}
    options = ("-o", tmp_path / "door.jpg")
    code, out, errors = answered(cli, box, *options, jpeg=None, **told)
    assert (code, out) == (1, "")
    assert "the camera is dark" in errors
    assert list(tmp_path.glob("*.jpg")) == []


def test_in_a_pipe_it_is_the_picture_and_nothing_else(cli):
    box = with_camera(cli, "piped")
    process = cli.start("stream", "snapshot", box.id, "door", "--every", "0.5")
    command = command_for(box, process)
    bring(cli, box, command, JPEG)
    box.send(commands=[{"id": command["id"], "state": "succeeded", "error": None}])
    assert process.stdout.buffer.read() == JPEG
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_a_terminal_is_spared_the_bytes_and_the_camera_the_work(cli):
    box = with_camera(cli, "typed")
    code, shown = at_a_terminal(cli, "stream", "snapshot", box.id, "door")
    assert code == 2
    assert "--output" in plain(shown)
    assert box.send()["commands"] == []


def test_json_says_what_was_written_and_needs_a_file(cli, tmp_path):
    box = with_camera(cli, "json")
    assert "--output" in cli.refused(2, "stream", "snapshot", box.id, "door", "--json")
    file = tmp_path / "door.jpg"
    code, out, errors = answered(cli, box, "-o", file, "--json")
    assert code == 0, errors
    told = json.loads(out)
    assert (told["file"], told["bytes"]) == (str(file), len(JPEG))
    assert told["command"]["state"] == "succeeded"


def test_a_dry_run_asks_no_camera(cli, tmp_path):
    box = with_camera(cli, "dry picture")
    cli.ok("stream", "snapshot", box.id, "door", "-o", tmp_path / "a.jpg", "--dry-run")
    assert box.send()["commands"] == []
    assert list(tmp_path.glob("*.jpg")) == []


def test_a_device_that_does_not_answer_is_not_waited_for_longer_than_asked(cli, tmp_path):
    box = with_camera(cli, "silent")
    options = ("--timeout", "1s", "--every", "0.5", "-o", tmp_path / "door.jpg")
    done = cli.run("stream", "snapshot", box.id, "door", *options)
    assert done.returncode == 1
    assert "is still queued" in done.stderr
    assert list(tmp_path.glob("*.jpg")) == []


@pytest.mark.parametrize(("place", "said"), [("", "no file"), ("none/door.jpg", "written")])
def test_a_place_where_nothing_can_be_put_is_refused_first(cli, tmp_path, place, said):
    box = with_camera(cli, f"nowhere {said}")
    line = cli.refused(2, "stream", "snapshot", box.id, "door", "-o", tmp_path / place)
    assert said in line
    assert box.send()["commands"] == []
