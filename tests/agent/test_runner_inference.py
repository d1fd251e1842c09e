"""Pipelines of an inference server, against a fake that is as strict as the real one."""

import base64
import json
import os
import stat

import pytest

from moorage_agent import runner_inference
from moorage_agent.runner_base import LARGEST_SNAPSHOT, Pauses, RunnerError
from moorage_agent.runner_inference import InferenceRunner
from moorage_agent.runner_reports import told_of
from support.inference_server import ERROR, INFO, FakeInferenceServer, picture_output
from support.streams import Heard, state, until, until_status
from support.video import TINY_JPEG, MjpegCamera, close_cameras, unused_port

PASSWORD = "p@ss-wörd"
SOURCE = "rtsp://viewer:p%40ss-w%C3%B6rd@camera.invalid/live?key=hidden-too"


@pytest.fixture(autouse=True)
def _cameras():
    yield
    close_cameras()


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(runner_inference, "_POLL_FAST_S", 0.05)
    monkeypatch.setattr(runner_inference, "_POLL_S", 0.05)


@pytest.fixture
def server():
    made = FakeInferenceServer()
    yield made
    made.close()


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def runner(heard, tmp_path, server):
    made = InferenceRunner(heard, folder=str(tmp_path), pauses=Pauses(0.05, 0.2))
    yield made
    made.close()


def spec(server, **more):
    options = {"server": server.url, "workspace_name": "acme", **more.pop("inference", {})}
    return {"source": SOURCE, "workflow_id": "inspect", "inference": options, **more}


def test_a_pipeline_is_made_as_the_api_has_it(runner, server):
    server.api_key = "rf-key-0123456789"
    options = {
        "api_key": "rf-key-0123456789",
        "workflows_parameters": {"threshold": 0.5},
        "image_input_name": "frame",
        "max_fps": 10,
        "consumption_timeout": 3600,
    }
    runner.start("cam", spec(server, inference=options))
    told = until_status(runner, "running")
    assert told["pipeline_id"] == server.only.id
    assert told["inference_fps"] == 12.35
    assert told["camera_fps"] == 30.0
    assert told["sharpness"] is None
    assert server.only.payload == {
        "video_configuration": {
            "type": "VideoConfiguration",
            "video_reference": SOURCE,
            "max_fps": 10,
        },
        "processing_configuration": {
            "type": "WorkflowConfiguration",
            "workspace_name": "acme",
            "workflow_id": "inspect",
            "image_input_name": "frame",
            "workflows_parameters": {"threshold": 0.5},
        },
        "sink_configuration": {"type": "MemorySinkConfiguration", "results_buffer_size": 1},
        "consumption_timeout": 3600,
        "api_key": "rf-key-0123456789",
    }


@pytest.mark.parametrize(
    ("source", "reference"),
    [
        ("0", 0),
        ("/videos/part.mp4", "/videos/part.mp4"),
        ("rtsp://camera/live", "rtsp://camera/live"),
        (
            {"url": "rtsp://camera/live", "username": "viewer", "password": PASSWORD},
            "rtsp://viewer:p%40ss-w%C3%B6rd@camera/live",
        ),
    ],
)
def test_a_source_is_given_as_the_server_takes_it(runner, server, source, reference):
    runner.start("cam", spec(server, source=source))
    until_status(runner, "running")
    assert server.only.payload["video_configuration"]["video_reference"] == reference


def test_the_same_spec_changes_nothing_and_another_one_makes_another_pipeline(runner, server):
    runner.start("cam", spec(server))
    first = until_status(runner, "running")["pipeline_id"]
    runner.start("cam", spec(server))
    runner.start("cam", spec(server, inference={"max_fps": 3}))
    until(lambda: state(runner)["status"] == "running" and state(runner)["pipeline_id"] != first)
    assert list(server.pipelines) == [state(runner)["pipeline_id"]]


def test_pause_and_resume(runner, server):
    runner.start("cam", spec(server))
    until_status(runner, "running")
    assert runner.pause("cam") == {"status": "paused"}
    assert server.only.state == "MUTED"
    told = until_status(runner, "paused")
    assert told["inference_fps"] is None
    assert runner.pause("cam") == {"status": "paused"}
    assert runner.resume("cam") == {"status": "running"}
    assert server.only.state == "RUNNING"
    until(lambda: state(runner)["inference_fps"])


def test_a_stream_that_is_paused_while_its_camera_is_away_is_paused_when_it_is_back(runner, server):
    server.unreachable.add(SOURCE)
    runner.start("cam", spec(server))
    until_status(runner, "reconnecting")
    assert "as soon as" in runner.pause("cam")["note"]
    server.unreachable.clear()
    until(lambda: server.pipelines and server.only.state == "MUTED")
    until_status(runner, "paused")


def test_stop_terminates_the_pipeline(runner, server):
    runner.start("cam", spec(server))
    until_status(runner, "running")
    runner.stop("cam")
    until_status(runner, "stopped")
    assert not server.pipelines
    assert state(runner)["pipeline_id"] is None


def test_a_pipeline_that_cannot_be_ended_yet_is_ended_as_soon_as_it_can(runner, server):
    server.starts_as = "INITIALISING"
    runner.start("cam", spec(server))
    until(lambda: server.pipelines and state(runner)["pipeline_id"])
    runner.stop("cam")
    told = until(lambda: state(runner)["error"] and state(runner))
    assert (told["status"], "not ended yet" in told["error"]) == ("stopping", True)
    server.only.turn("RUNNING")
    until_status(runner, "stopped")
    assert not server.pipelines


def test_a_stream_can_be_stopped_while_its_server_is_away_and_nothing_is_left_behind(
    heard, server, tmp_path
):
    runner = InferenceRunner(heard, folder=str(tmp_path), pauses=Pauses(0.05, 0.2))
    runner.start("cam", spec(server))
    left = until_status(runner, "running")["pipeline_id"]
    server.fault = lambda _method, _path: (503, b"{}")
    runner.stop("cam")
    until(lambda: "not ended yet" in (state(runner)["error"] or ""))
    server.fault = lambda _method, _path: None
    until_status(runner, "stopped")
    assert left not in server.pipelines
    runner.close()


def test_a_camera_that_cannot_be_reached_says_so_and_is_tried_again(runner, server, heard):
    server.unreachable.add(SOURCE)
    runner.start("cam", spec(server))
    told = until_status(runner, "reconnecting")
    assert "cannot connect to rtsp://camera.invalid/live" in told["error"]
    until(lambda: len([path for _, path, _ in server.asked if path.endswith("/initialise")]) >= 3)
    assert len(server.pipelines) <= 1
    assert "cannot connect" in state(runner)["error"]
    server.unreachable.clear()
    told = until_status(runner, "running")
    assert told["error"] is None
    said = heard.text() + json.dumps(runner.states())
    for secret in ("p%40ss", PASSWORD, "hidden-too", "viewer:"):
        assert secret not in said


def test_a_pipeline_that_the_server_took_away_is_made_anew(runner, server):
    runner.start("cam", spec(server))
    first = until_status(runner, "running")["pipeline_id"]
    server.only.turn("ERROR")
    server.sweep()
    until(lambda: state(runner)["pipeline_id"] not in (None, first))
    until_status(runner, "running")


def test_a_pipeline_whose_inference_died_is_ended_and_made_anew(runner, server):
    runner.start("cam", spec(server))
    first = until_status(runner, "running")["pipeline_id"]
    told = {"error_type": "RuntimeError", "error_message": "out of memory on the GPU"}
    server.only.note(ERROR, "INFERENCE_ERROR", "inference_pipeline", **told)
    server.only.note(INFO, "INFERENCE_THREAD_FINISHED", "inference_pipeline")
    until(lambda: state(runner)["pipeline_id"] not in (None, first))
    assert first not in server.pipelines


def test_a_lost_camera_that_the_server_connects_anew_is_told(runner, server):
    runner.start("cam", spec(server))
    until_status(runner, "running")
    server.only.turn("RESTARTING")
    told = until_status(runner, "reconnecting")
    assert "lost the camera" in told["error"]
    assert told["camera_fps"] is None
    server.only.turn("RUNNING")
    assert until_status(runner, "running")["error"] is None


def test_a_video_that_came_to_its_end_is_not_begun_again(runner, server):
    runner.start("cam", spec(server, source="/videos/part.mp4"))
    until_status(runner, "running")
    server.only.turn("ENDED")
    until_status(runner, "ended")
    assert not server.pipelines
    runner.stop("cam")
    until_status(runner, "stopped")


def test_a_server_that_does_not_run_is_waited_for(runner, server):
    port = unused_port()
    runner.start("cam", spec(server, inference={"server": f"http://127.0.0.1:{port}"}))
    told = until_status(runner, "reconnecting")
    assert f"127.0.0.1:{port} does not run" in told["error"]
    late = FakeInferenceServer(port)
    until_status(runner, "running")
    runner.close()
    late.close()


def test_a_server_that_was_restarted_gets_the_pipeline_anew(runner, server):
    runner.start("cam", spec(server))
    first = until_status(runner, "running")["pipeline_id"]
    server.close()
    until_status(runner, "reconnecting")
    again = FakeInferenceServer(server.port)
    until(lambda: state(runner)["status"] == "running" and state(runner)["pipeline_id"] != first)
    assert list(again.pipelines) == [state(runner)["pipeline_id"]]
    runner.close()
    assert not again.pipelines
    again.close()


@pytest.mark.parametrize(
    ("more", "prepare", "says"),
    [
        ({"workflow_id": "other"}, None, "404"),
        ({"inference": {"max_fps": "ten"}}, None, "max_fps"),
        ({"inference": {"workspace_name": None}}, None, "500"),
        ({}, "wrong", "check the API key"),
        ({"inference": {"api_key": "not-this-one"}}, "wrong", "401"),
    ],
)
def test_what_the_server_refuses_is_said_without_the_key(
    runner, heard, server, more, prepare, says
):
    if prepare:
        server.api_key = "the-right-one"
        more = {"inference": {"api_key": "not-this-one", **more.get("inference", {})}}
    runner.start("cam", spec(server, **more))
    told = until_status(runner, "error")
    assert says in told["error"]
    assert "not-this-one" not in heard.text() + told["error"]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((200, b"<html>"), "JSON"),
        ((200, b"[]"), "JSON"),
        ((200, b"{}"), "no id"),
        ((200, b'{"context": {"pipeline_id": 7}}'), "no id"),
        ((404, b'{"detail": "Not Found"}'), "no pipeline API"),
        ((404, b""), "no pipeline API"),
        ((502, b"<html>"), "502"),
        ((200, b" " * (8 * 2**20 + 1)), "more than anybody reads"),
        ((0, b""), "cannot be reached"),
    ],
)
def test_something_else_in_the_servers_place_is_named(runner, server, answer, says):
    server.fault = lambda _method, _path: answer
    runner.start("cam", spec(server))
    assert says in until_status(runner, "error", "reconnecting")["error"]
    server.fault = lambda _method, _path: None
    until_status(runner, "running")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"source": None}, "names no source"),
        ({"source": {"kind": "basler"}}, "names no source"),
        ({"workflow_id": None}, "workflow_id"),
        ({"inference": []}, "an object"),
        ({"inference": {"server": 7}}, "server"),
        ({"inference": {"server": "http://10.0.0.7:9001"}}, "https"),
        ({"inference": {"server": "http://inference.example"}}, "https"),
        ({"inference": {"server": "http://127.0.0.1@evil.example"}}, "server is"),
        ({"inference": {"server": "ftp://127.0.0.1"}}, "server is"),
        ({"inference": {"server": "http://127.0.0.1:port"}}, "server is"),
        ({"inference": {"results_buffer_size": 0}}, "results_buffer_size"),
    ],
)
def test_a_config_that_is_none_is_refused_before_anything_is_sent(runner, server, more, says):
    runner.start("cam", {"source": "rtsp://camera/", "workflow_id": "inspect", **more})
    told = state(runner)
    assert told["status"] == "error"
    assert says in told["error"]
    assert not server.asked


# --- pictures and results


def test_a_trigger_tells_the_newest_result_without_pictures(runner, server):
    runner.start("cam", spec(server, inference={"results_buffer_size": 3}))
    until_status(runner, "running")
    with pytest.raises(RunnerError, match="no result"):
        runner.trigger("cam")
    for number in range(5):
        server.result({"count": number, "image": picture_output()}, frame_id=number)
    told = runner.trigger("cam")
    assert told["frame_id"] == 4
    assert told["outputs"] == {"count": 4, "image": "a picture"}


def test_a_result_that_is_too_large_is_told_in_outline(runner, server):
    runner.start("cam", spec(server))
    until_status(runner, "running")
    server.result({"boxes": [{"x": number} for number in range(5000)], "note": "n" * 9000})
    told = runner.trigger("cam")
    assert told["outputs"]["boxes"] == "5000 entries"
    assert len(json.dumps(told)) < 20_000
    server.result({str(number): "x" * 90 for number in range(5000)})
    assert len(json.dumps(runner.trigger("cam"))) < 20_000


def test_a_snapshot_comes_from_the_camera_itself(runner, server):
    camera = MjpegCamera()
    runner.start("cam", spec(server, source=camera.url()))
    until_status(runner, "running")
    assert runner.snapshot("cam") == TINY_JPEG
    assert not [path for _, path, _ in server.asked if path.endswith("/consume")]
    camera.close()


def test_a_snapshot_of_a_camera_that_only_the_pipeline_has_comes_from_a_result(runner, server):
    runner.start("cam", spec(server, source="0"))
    until_status(runner, "running")
    with pytest.raises(RunnerError, match="attached to this device"):
        runner.snapshot("cam")
    server.result({"count": 1, "nested": [{"image": picture_output()}]})
    assert runner.snapshot("cam") == TINY_JPEG
    for bad in ("%%%", base64.b64encode(b"no jpeg").decode()):
        server.result({"image": {"type": "base64", "value": bad}})
        with pytest.raises(RunnerError):
            runner.snapshot("cam")


def test_a_picture_of_a_result_is_held_to_the_bound(runner, server, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    runner.start("cam", spec(server, source="0"))
    until_status(runner, "running")
    server.result({"image": picture_output(TINY_JPEG[:-2] + b"x" * LARGEST_SNAPSHOT + b"\xff\xd9")})
    with pytest.raises(RunnerError, match="install ffmpeg"):
        runner.snapshot("cam")


# --- this process is killed


def killed(runner):
    """Leave a runner as a kill would: its threads are gone, and nothing was put in order."""
    for stream in runner._streams.values():
        stream.finish = lambda: None
    runner.close()


def test_the_next_process_takes_over_what_a_killed_one_left(heard, server, tmp_path):
    first = InferenceRunner(heard, folder=str(tmp_path))
    first.start("cam", spec(server))
    left = until_status(first, "running")["pipeline_id"]
    killed(first)
    second = InferenceRunner(heard, folder=str(tmp_path))
    second.start("cam", spec(server))
    assert until_status(second, "running")["pipeline_id"] == left
    assert list(server.pipelines) == [left]
    second.close()
    assert not server.pipelines


def test_what_a_killed_process_left_and_the_config_wants_otherwise_is_ended(
    heard, server, tmp_path
):
    first = InferenceRunner(heard, folder=str(tmp_path))
    first.start("cam", spec(server))
    left = until_status(first, "running")["pipeline_id"]
    killed(first)
    second = InferenceRunner(heard, folder=str(tmp_path))
    second.start("cam", spec(server, inference={"max_fps": 5}))
    told = until_status(second, "running")
    assert list(server.pipelines) == [told["pipeline_id"]] != [left]
    second.close()


def test_what_a_killed_process_left_and_nobody_wants_is_ended(heard, server, tmp_path, monkeypatch):
    first = InferenceRunner(heard, folder=str(tmp_path))
    first.start("cam", spec(server))
    until_status(first, "running")
    killed(first)
    monkeypatch.setattr(runner_inference, "_UNCLAIMED_AFTER_S", 0.1)
    second = InferenceRunner(heard, folder=str(tmp_path))
    until(lambda: not server.pipelines)
    second.close()


def test_what_is_remembered_holds_no_secret_and_is_for_the_agent_alone(runner, server, tmp_path):
    runner.start("cam", spec(server, inference={"api_key": "rf-key-0123456789"}))
    until_status(runner, "running")
    (path,) = tmp_path.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for secret in ("p%40ss", PASSWORD, "hidden-too", "rf-key"):
        assert secret not in path.read_text()


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"cam": 7}', b'{"cam": ["a"]}', b"\xff"])
def test_a_memory_that_is_none_is_begun_anew(heard, server, tmp_path, content):
    (tmp_path / "pipelines.json").write_bytes(content)
    runner = InferenceRunner(heard, folder=str(tmp_path))
    runner.start("cam", spec(server))
    until_status(runner, "running")
    runner.close()
    assert json.loads((tmp_path / "pipelines.json").read_text()) == {}


def test_a_folder_that_cannot_be_written_does_not_stop_streams(heard, server, tmp_path):
    runner = InferenceRunner(heard, folder=os.fspath(tmp_path / "absent"))
    runner.start("cam", spec(server))
    until_status(runner, "running")
    runner.close()
    assert not server.pipelines


# --- reports


def test_a_declared_rate_that_is_nonsense_is_unknown(runner, server):
    runner.start("cam", spec(server))
    until_status(runner, "running")
    server.only.fps = 90000.0
    until(lambda: state(runner)["camera_fps"] is None)


@pytest.mark.parametrize(
    "report",
    [
        {},
        {"sources_metadata": None},
        {"sources_metadata": [7]},
        {"sources_metadata": [{"state": 7, "source_properties": 7}]},
        {"video_source_status_updates": [7, {}, {"payload": 7, "severity": "x"}]},
        {"inference_throughput": "fast"},
        {"inference_throughput": 10**400},
    ],
)
def test_any_report_at_all_can_be_read(report):
    told = told_of(report)
    assert told.status in ("starting", "reconnecting", "running")
    assert told.inference_fps is None
