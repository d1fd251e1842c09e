"""A command per stream: real processes, their lines, their ends."""

import json
import os
import sys
import textwrap

import pytest

from moorage_agent.runner_base import Pauses, RunnerError
from moorage_agent.runner_command import CommandRunner
from support.streams import Heard, alive, state, until, until_status, zombies

HEAD = """
import json, os, signal, subprocess, sys, time
def say(**told): print(json.dumps(told), flush=True)
"""
PASSWORD = "Opensesame-77"


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def runner(heard):
    made = CommandRunner(heard, pauses=Pauses(0.05, 0.2))
    yield made
    made.close()
    assert not zombies()


def python(code: str, **more) -> dict:
    """A spec whose command is a Python program."""
    return {"command": [sys.executable, "-u", "-c", HEAD + textwrap.dedent(code)], **more}


WAITS = "for line in sys.stdin: pass"


def test_what_a_command_says_is_what_is_reported(runner):
    runner.start(
        "cam",
        python(
            f"""
            say(status="running", camera_fps=29.97, inference_fps=12.5, sharpness=412.25)
            {WAITS}
            """
        ),
    )
    told = until_status(runner, "running")
    assert (told["camera_fps"], told["inference_fps"], told["sharpness"]) == (29.97, 12.5, 412.25)
    assert told["error"] is None
    assert told["started_at"].endswith("Z")


def test_start_returns_at_once_and_the_same_spec_changes_nothing(runner):
    spec = python(f"say(pipeline_id=str(os.getpid()))\n{WAITS}")
    runner.start("cam", spec)
    first = until(lambda: state(runner)["pipeline_id"])
    runner.start("cam", json.loads(json.dumps(spec)))
    assert state(runner)["pipeline_id"] == first
    assert alive(int(first))


def test_a_changed_spec_restarts_and_the_old_process_is_gone_before_the_new_one_begins(
    runner, tmp_path
):
    lock = tmp_path / "camera"
    code = f"""
        path = {str(lock)!r}
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        def end(*_):
            os.unlink(path)
            os._exit(0)
        signal.signal(signal.SIGTERM, end)
        say(status="running", pipeline_id=sys.argv[1])
        for line in sys.stdin: pass
        """
    one, two = python(code), python(code)
    one["command"].append("one")
    two["command"].append("two")
    runner.start("cam", one)
    until(lambda: state(runner)["pipeline_id"] == "one")
    runner.start("cam", two)
    told = until(lambda: state(runner)["pipeline_id"] == "two" and state(runner))
    assert (told["status"], told["error"]) == ("running", None)


def test_other_lines_are_logs_of_the_stream(runner, heard):
    runner.start(
        "cam",
        python(
            f"""
            print("hello")
            print("42")
            print('{{"unknown": 1}}')
            print("trouble", file=sys.stderr)
            {WAITS}
            """
        ),
    )
    until(lambda: len([line for line in heard.lines if line[2] != "starting"]) >= 4)
    assert ("stream/cam", "info", "hello") in heard.lines
    assert ("stream/cam", "info", '{"unknown": 1}') in heard.lines
    assert ("stream/cam", "warning", "trouble") in heard.lines


def test_pause_resume_and_trigger_reach_the_command(runner):
    runner.start(
        "cam",
        python(
            """
            say(status="running")
            count = 0
            for line in sys.stdin:
                word = json.loads(line)["do"]
                if word == "trigger":
                    count += 1
                    say(sharpness=count)
                else:
                    say(status={"pause": "paused", "resume": "running"}[word])
            """
        ),
    )
    until_status(runner, "running")
    runner.pause("cam")
    until_status(runner, "paused")
    runner.resume("cam")
    until_status(runner, "running")
    runner.trigger("cam")
    until(lambda: state(runner)["sharpness"] == 1)


def test_a_command_that_is_started_again_while_paused_is_told_so(runner, tmp_path):
    runner.start(
        "cam",
        python(
            f"""
            say(status="running", pipeline_id=str(os.getpid()))
            for line in sys.stdin:
                with open({str(tmp_path / "told")!r}, "a") as file: file.write(line)
            """
        ),
    )
    first = int(until(lambda: state(runner)["pipeline_id"]))
    runner.pause("cam")
    told = tmp_path / "told"
    until(lambda: told.exists() and '"pause"' in told.read_text())
    os.kill(first, 9)
    until(lambda: state(runner)["pipeline_id"] not in (None, str(first)))
    until(lambda: told.read_text().count('"pause"') == 2)


def test_a_command_that_ends_is_started_again_and_says_why(runner, tmp_path):
    runner.start(
        "cam",
        python(
            f"""
            with open({str(tmp_path / "starts")!r}, "a") as file: file.write("x")
            print("no such lens")
            sys.exit(3)
            """
        ),
    )
    told = until_status(runner, "error")
    assert "exit code 3" in told["error"]
    assert "no such lens" in told["error"]
    until(lambda: len((tmp_path / "starts").read_text()) >= 3)


def test_a_program_that_is_not_there_is_named_and_tried_again(runner, tmp_path):
    program = tmp_path / "later"
    runner.start("cam", {"command": [str(program)]})
    assert str(program) in until_status(runner, "error")["error"]
    program.write_text('#!/bin/sh\necho \'{"status": "running"}\'\ncat\n')
    program.chmod(0o755)
    until_status(runner, "running")


@pytest.mark.parametrize("command", [None, [], "look -v", ["a", 1], ["a\0b"], {"a": 1}])
def test_a_command_that_is_none_is_refused_with_what_is_right(runner, command):
    runner.start("cam", {"runner": "command", "command": command})
    told = state(runner)
    assert told["status"] == "error"
    assert "list of texts" in told["error"]
    with pytest.raises(RunnerError, match="list of texts"):
        runner.pause("cam")


@pytest.mark.parametrize("environment", ["A=1", {"A": 1}, {"": "x"}, {"A=B": "x"}, {"A": "\0"}])
def test_an_environment_that_is_none_is_refused(runner, environment):
    runner.start("cam", {"command": ["true"], "environment": environment})
    assert "environment" in state(runner)["error"]


def test_the_command_gets_its_environment_its_id_and_its_source(runner, monkeypatch):
    monkeypatch.setenv("MOORAGE_AGENTS_OWN", "not for commands")
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")
    runner.start(
        "cam",
        python(
            f"""
            names = ("MOORAGE_STREAM_ID", "MOORAGE_STREAM_SOURCE", "LENS", "MOORAGE_AGENTS_OWN")
            names += ("MALLOC_ARENA_MAX",)
            say(pipeline_id="|".join(os.environ.get(name, "-") for name in names))
            {WAITS}
            """,
            environment={"LENS": "wide"},
            source="rtsp://camera/1",
        ),
    )
    assert until(lambda: state(runner)["pipeline_id"]) == "cam|rtsp://camera/1|wide|-|-"


def test_no_secret_of_the_config_is_said_again(runner, heard):
    runner.start(
        "cam",
        python(
            """
            for text in (os.environ["MOORAGE_STREAM_SOURCE"], os.environ["LICENCE"]):
                print(text, flush=True)
                print(text, file=sys.stderr, flush=True)
            say(status="error", error="cannot open " + os.environ["MOORAGE_STREAM_SOURCE"])
            sys.stdin.read()
            """,
            environment={"LICENCE": "abcd-efgh-1234"},
            source=f"rtsp://viewer:{PASSWORD}@camera/1?pwd=hidden-too",
        ),
    )
    told = until(lambda: state(runner).get("error") and state(runner))
    until(lambda: heard.text().count("rtsp://") >= 2)
    said = heard.text() + json.dumps(told)
    for secret in (PASSWORD, "abcd-efgh", "hidden-too", "viewer:"):
        assert secret not in said
    assert "cannot open rtsp://camera/1" in told["error"]


def test_stop_ends_the_whole_group_within_two_seconds_even_if_it_does_not_want_to(runner):
    runner.start(
        "cam",
        python(
            """
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            child = subprocess.Popen([sys.executable, "-c",
                "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
                "print('up', flush=True); time.sleep(600)"], stdout=subprocess.PIPE)
            child.stdout.readline()
            say(status="running", pipeline_id="%d %d" % (os.getpid(), child.pid))
            time.sleep(600)
            """
        ),
    )
    pids = [int(pid) for pid in until(lambda: state(runner)["pipeline_id"]).split()]
    assert all(alive(pid) for pid in pids)
    runner.stop("cam")
    runner.stop("cam")
    until_status(runner, "stopped")
    # Killed at once; that the last of them is gone takes the system a moment.
    until(lambda: not any(alive(pid) for pid in pids))
    with pytest.raises(RunnerError, match="stopped"):
        runner.pause("cam")


def test_what_a_command_leaves_behind_when_it_ends_is_ended_too(runner):
    runner.start(
        "cam",
        python(
            """
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            say(pipeline_id=str(child.pid))
            """
        ),
    )
    left = int(until(lambda: state(runner)["pipeline_id"]))
    until(lambda: not alive(left))


def test_a_stopped_stream_starts_anew_and_a_forgotten_one_is_not_listed(runner):
    spec = python(f"say(status='running')\n{WAITS}")
    runner.start("cam", spec)
    until_status(runner, "running")
    runner.stop("cam")
    until_status(runner, "stopped")
    runner.start("cam", spec)
    until_status(runner, "running")
    runner.forget("cam")
    assert runner.states() == []
    runner.forget("cam")
    runner.stop("cam")


def test_one_that_floods_is_bounded(runner, heard):
    runner.start(
        "cam",
        python(
            f"""
            sys.stdout.write("x" * 3_000_000 + "\\n")
            for number in range(20_000): print("line", number)
            say(status="running")
            {WAITS}
            """
        ),
    )
    until_status(runner, "running")
    assert len(heard.lines) < 300
    assert max(len(line[2]) for line in heard.lines) <= 4000


@pytest.mark.parametrize(
    "figure", ["1e999", "1e16", "NaN", '"fast"', "true", "null", "[1]", "1" + "0" * 400]
)
def test_a_figure_that_is_none_is_unknown(runner, figure):
    line = f'{{"status": "running", "camera_fps": {figure}, "sharpness": 5}}'
    runner.start("cam", python(f"print({line!r}, flush=True)\n{WAITS}"))
    told = until_status(runner, "running")
    assert (told["camera_fps"], told["sharpness"]) == (None, 5)


@pytest.mark.parametrize(
    "line",
    ["{", "{}", "[1]", "{" * 5000, '{"status": 1}', '{"status": "flying"}', '{"error": {"a": 1}}'],
)
def test_any_line_at_all_leaves_the_stream_alive(runner, line):
    runner.start(
        "cam",
        python(
            f"""
            sys.stdout.buffer.write({line.encode()!r} + b"\\n\\xff\\x00\\xfe\\n")
            say(status="running", error=None, camera_fps=1)
            {WAITS}
            """
        ),
    )
    told = until(lambda: state(runner).get("camera_fps") and state(runner))
    assert (told["status"], told["error"]) == ("running", None)


def test_a_command_that_reads_nothing_says_so_and_does_not_hold_us_up(runner):
    runner.start("cam", python("say(status='running')\ntime.sleep(600)"))
    until_status(runner, "running")

    def trigger_often():
        for _ in range(20_000):
            runner.trigger("cam")

    with pytest.raises(RunnerError, match="does not read"):
        trigger_often()


def test_close_ends_all_within_seconds_and_leaves_no_zombie(heard):
    runner = CommandRunner(heard)
    spec = python("say(pipeline_id=str(os.getpid()))\ntime.sleep(600)")
    for number in range(4):
        runner.start(f"cam-{number}", spec)
    pids = [
        int(until(lambda name=f"cam-{number}": state(runner, name)["pipeline_id"]))
        for number in range(4)
    ]
    runner.close()
    until(lambda: not any(alive(pid) for pid in pids))
    assert not zombies()
    runner.start("late", spec)
    assert state(runner, "late") == {}


def test_there_are_at_most_so_many_streams(runner):
    for number in range(33):
        runner.start(f"cam-{number:02}", {"command": ["sleep", "600"]})
    assert "at most 32" in state(runner, "cam-32")["error"]
