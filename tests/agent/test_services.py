"""Services as plain processes: from a document to what runs, what is told, and the way back."""

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from agent.kit import run
from moorage_agent import applier, loop, step, units
from moorage_agent.drivers import DriverError
from moorage_agent.store import Store

BASE = {"config": {"stable_s": 0.5}, "services": {}, "streams": {}}


@pytest.fixture(autouse=True)
def _in_haste(monkeypatch, server):
    monkeypatch.setattr(loop.random, "random", lambda: 0.0)
    monkeypatch.setattr(loop, "_WAKE_EVERY_S", 0.02)
    monkeypatch.setattr(loop, "_FIRST_AFTER_S", 0.05)
    monkeypatch.setattr(step, "ASK_AGAIN_S", 0.05)
    monkeypatch.setattr(applier, "WATCH_FAST_S", 0.05)
    monkeypatch.setattr(applier, "WATCH_SLOW_S", 0.1)
    monkeypatch.setattr("moorage_agent.processes.FIRST_PAUSE_S", 0.05)
    server.interval_s = 3600


def told(server):
    states = [report["config"] for report in server.accepted if "config" in report]
    return [state for state in states if state["state"] != "pending"]


def services(server):
    rows = [report["services"] for report in server.accepted if "services" in report]
    return {row["name"]: row for row in rows[-1]} if rows else {}


def lines(server, source):
    return [row["message"] for row in server.rows("logs") if row["service"] == source]


def python(code, **more):
    return {"command": [sys.executable, "-c", code], **more}


def appends(path, text):
    """A service that leaves a line in a file each time it starts, and stays."""
    code = f"open({str(path)!r}, 'a').write({text!r} + '\\n'); import time; time.sleep(600)"
    return python(code)


def document(**wanted):
    return {**BASE, "services": wanted}


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_service_is_started_told_and_ended_with_the_agent(server, folder, tmp_path):
    pid = tmp_path / "pid"
    code = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    server.set_config(document(app=python(code)))
    run(folder, server, lambda: told(server))
    assert told(server)[-1]["state"] == "applied"
    assert services(server)["app"]["state"] == "running"
    assert not alive(int(pid.read_text()))


def test_what_runs_already_and_is_the_same_in_the_next_revision_is_left_alone(
    server, folder, tmp_path
):
    starts = tmp_path / "starts"
    server.set_config(document(stays=appends(starts, "stays")))

    def changed():
        if told(server) and server.revision == 2:
            new = document(stays=appends(starts, "stays"), other=appends(starts, "other"))
            server.set_config(new)
        return told(server) and told(server)[-1]["revision"] == 3

    run(folder, server, changed)
    assert told(server)[-1]["state"] == "applied"
    assert starts.read_text().split() == ["stays", "other"]


def test_a_service_that_leaves_the_config_is_ended(server, folder, tmp_path):
    pid = tmp_path / "pid"
    code = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    server.set_config(document(app=python(code)))
    gone = []

    def changed():
        if told(server) and server.revision == 2:
            server.set_config(BASE)
        if told(server) and told(server)[-1]["revision"] == 3:
            gone.append(not alive(int(pid.read_text())))
        return gone

    run(folder, server, changed)
    assert gone == [True]
    assert told(server)[-1]["state"] == "applied"


def test_a_config_whose_service_crashes_goes_back_and_says_why(server, folder, tmp_path):
    starts = tmp_path / "starts"
    good = document(app=appends(starts, "good"))
    server.set_config(good)

    def failed():
        if told(server) and server.revision == 2:
            server.set_config(document(app=python("raise SystemExit('no camera licence')")))
        back = starts.exists() and starts.read_text().count("good") == 2
        return back and told(server)[-1]["revision"] == 3

    run(folder, server, failed)
    assert told(server)[-1]["state"] == "failed"
    assert "no camera licence" in told(server)[-1]["error"]
    # What ran before runs again, and is what the disk has.
    assert starts.read_text().split() == ["good", "good"]
    store = Store(str(folder), boot_id="boot")
    assert store.configs.document() == good
    store.close()
    # It is not tried again, by a later start neither.
    before = server.paths.count("/v1/config")
    run(
        folder,
        server,
        lambda: len(server.rows("events")) == 2 and starts.read_text().count("g") > 2,
    )
    assert server.paths.count("/v1/config") == before
    assert told(server)[-1]["state"] == "failed"


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ({"command": ["no-such-command-here"]}, "no-such-command-here"),
        ({"command": ["sleep", "9"], "user": "no-such-user"}, "no-such-user"),
        ({"command": ["sleep", "9"], "working_dir": "/no/such/folder"}, "/no/such/folder"),
        ({"command": ["false"], "restart": "no"}, "exit code 1"),
    ],
)
def test_what_cannot_run_fails_the_config_with_its_reason(server, folder, entry, named):
    server.set_config(document(app=entry))
    run(folder, server, lambda: told(server))
    assert told(server)[-1]["state"] == "failed"
    assert named in told(server)[-1]["error"]


def test_a_service_that_is_to_end_and_did_so_well_is_good(server, folder):
    server.set_config(document(job={"command": ["true"], "restart": "no"}))
    run(folder, server, lambda: told(server))
    assert told(server)[-1]["state"] == "applied"
    assert services(server)["job"]["state"] == "finished"


def test_environment_variables_and_lines_with_their_severity_arrive(server, folder):
    code = "import os, time; print(os.environ['GREETING'], flush=True); "
    code += "print('ERROR: no disk', flush=True); time.sleep(600)"
    entry = python(code, environment_variables={"GREETING": "grüß €"})
    server.set_config(document(app=entry))

    def arrived():
        if len(lines(server, "app")) < 2:
            server.interval_s = 1
        return len(lines(server, "app")) == 2

    run(folder, server, arrived)
    assert lines(server, "app") == ["grüß €", "ERROR: no disk"]
    severities = [row["severity"] for row in server.rows("logs") if row["service"] == "app"]
    assert severities == ["info", "error"]


def test_an_agent_that_was_killed_leaves_nothing_that_runs_twice(server, folder, tmp_path):
    """The orphan of a killed agent is found by its mark, and ended before it is started anew."""
    starts = tmp_path / "starts"
    server.set_config(document(app=appends(starts, "one")))
    run(folder, server, lambda: told(server) and starts.exists())
    processes = loop.local.Processes(str(folder), lambda *_line: None)
    store = Store(str(folder), boot_id="boot")
    unit = loop.applying.begin(store.configs.memory()).units["app"]
    store.close()
    processes.start(unit, 1)
    orphan = processes._running["app"]
    pid = wait_for(lambda: starts.read_text().count("one") == 2 and orphan.pid)
    # As after SIGKILL: nobody supervises it any more.
    orphan._ending.set()
    run(folder, server, lambda: not alive(pid) and starts.read_text().count("one") == 3)


def test_no_process_begins_once_all_of_them_are_ended(folder, tmp_path):
    """Nobody would end it any more: an agent that ends is told to start and restart until then."""
    starts, ends = tmp_path / "starts", tmp_path / "ends"
    script = f"trap 'echo ended >> {ends}; sleep 0.5; exit' TERM; echo begun >> {starts}; "
    command = ["sh", "-c", script + "while :; do sleep 0.05; done"]
    unit = units.units_of(document(app={"command": command}))["app"]
    processes = loop.local.Processes(str(folder), lambda *_line: None)
    processes.start(unit, 1)
    wait_for(starts.exists)
    refused = []

    def restart():
        with pytest.raises(DriverError) as error:
            processes.restart("app")
        refused.append(str(error.value))

    restarting = threading.Thread(target=restart)
    restarting.start()
    wait_for(ends.exists)
    processes.close()
    restarting.join(30)
    with pytest.raises(DriverError, match="is ending"):
        processes.start(unit, 1)
    assert refused == ["the agent is ending"]
    assert processes.seen() == {}
    assert starts.read_text() == "begun\n"


def wait_for(holds):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = holds()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("waited in vain")


def test_a_service_can_run_as_another_user(server, folder, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can start a process as another user")
    entry = python("import os, time; print('uid', os.getuid(), flush=True); time.sleep(600)")
    # The interpreter of this test may lie where others cannot go.
    entry = {"command": ["/bin/sh", "-c", "id -un; sleep 600"], "user": "nobody"}
    server.set_config(document(app=entry))

    def arrived():
        server.interval_s = 1
        return lines(server, "app")

    run(folder, server, arrived)
    assert lines(server, "app") == ["nobody"]


def test_streams_of_the_document_are_started_and_told(server, folder):
    spec = {"command": ["no-such-program"], "source": "rtsp://127.0.0.1:1/x"}
    server.set_config({**BASE, "streams": {"cam": spec}})

    def arrived():
        server.interval_s = 1
        rows = [report["streams"] for report in server.accepted if report.get("streams")]
        return rows and rows[-1][0]["id"] == "cam"

    run(folder, server, arrived)
    # What is wrong with a stream is no fault of the config.
    assert told(server)[-1]["state"] == "applied"
