"""Commands that take a while: services, streams, pictures, plans, the machine itself."""

import json
import shlex
import socket
import sys

import pytest

from agent.kit import run
from moorage_agent import applier, loop, planning, step, units
from moorage_agent.store import Store

BASE = {"config": {"stable_s": 0.2}, "services": {}, "streams": {}}


@pytest.fixture(autouse=True)
def _in_haste(monkeypatch, server):
    monkeypatch.setattr(loop.random, "random", lambda: 0.0)
    monkeypatch.setattr(loop, "_WAKE_EVERY_S", 0.02)
    monkeypatch.setattr(loop, "_FIRST_AFTER_S", 0.05)
    monkeypatch.setattr(step, "ASK_AGAIN_S", 0.05)
    monkeypatch.setattr(applier, "WATCH_FAST_S", 0.05)
    monkeypatch.setattr(applier, "WATCH_SLOW_S", 0.1)
    monkeypatch.delenv("MOORAGE_ALLOW_REBOOT", raising=False)
    server.interval_s = 3600


def told(server):
    states = [report["config"] for report in server.accepted if "config" in report]
    return [state for state in states if state["state"] != "pending"]


def appends(path):
    code = f"open({str(path)!r}, 'a').write('x'); import time; time.sleep(600)"
    return {"command": [sys.executable, "-c", code]}


def asked(server, kind, until=lambda: True, **arguments):
    """Ask once the config is applied; return what tells when the result is there."""

    def answered():
        ready = told(server) and told(server)[-1]["revision"] == server.revision
        if ready and until() and not server.results and "cmd-1" not in server.open:
            server.ask("cmd-1", kind, arguments=arguments)
        return server.results

    return answered


def test_a_service_is_restarted_once(server, folder, tmp_path):
    starts = tmp_path / "starts"
    server.set_config({**BASE, "services": {"app": appends(starts)}})
    server.forgets_results = True

    def started_twice():
        answered = asked(server, "restart_service", starts.exists, service="app")()
        return answered and starts.read_text() == "xx"

    run(folder, server, started_twice)
    result = server.results[0]
    assert (result["state"], result["result"]) == ("succeeded", {"restarted": True})
    # The server asks again because it lost the result: it is told, and nothing is done.
    run(folder, server, lambda: len(server.results) >= 2 and len(starts.read_text()) >= 3)
    assert starts.read_text() == "xxx"  # that third one is the new process's


@pytest.mark.parametrize(
    ("kind", "arguments", "named"),
    [
        ("restart_service", {"service": "none"}, "no service none"),
        ("restart_service", {}, "service is missing"),
        ("pause_stream", {"stream_id": "none"}, "no stream none"),
        ("terminate_stream", {"stream_id": "none"}, "no stream none"),
        ("snapshot", {"stream_id": "none"}, "no stream none"),
        ("trigger_stream", {}, "stream_id is missing"),
        ("reboot", {}, "does not permit"),
    ],
)
def test_what_cannot_be_done_is_answered_with_the_reason(server, folder, kind, arguments, named):
    run(folder, server, asked(server, kind, **arguments))
    assert server.results[0]["state"] == "failed"
    assert named in server.results[0]["error"]


def test_a_stream_is_ended_until_its_config_changes(server, folder):
    camera = {"command": [sys.executable, "-c", "import time; time.sleep(600)"]}
    server.set_config({**BASE, "streams": {"cam": camera}})

    def status():
        rows = [report["streams"] for report in server.accepted if report.get("streams")]
        return rows and rows[-1][0]["status"]

    def ended():
        server.interval_s = 1
        return asked(server, "terminate_stream", stream_id="cam")() and status() == "stopped"

    run(folder, server, ended)
    assert server.results[0]["state"] == "succeeded"


def test_a_reboot_is_done_once_and_answered_by_the_next_boot(server, folder, monkeypatch, tmp_path):
    monkeypatch.setenv("MOORAGE_ALLOW_REBOOT", "1")
    mark = tmp_path / "rebooted"
    command = ["sh", "-c", f"printf x >> {shlex.quote(str(mark))}"]
    monkeypatch.setenv("MOORAGE_REBOOT_COMMAND", shlex.join(command))

    def rebooting():
        asked(server, "reboot")()
        return mark.exists()

    run(folder, server, rebooting)
    assert server.results == []
    run(folder, server, lambda: server.results, boot_id="after the reboot")
    assert server.results[0]["state"] == "succeeded"
    assert server.results[0]["result"] == {"rebooted": True}
    assert mark.read_text() == "x"


def test_a_reboot_that_fails_says_why(server, folder, monkeypatch):
    monkeypatch.setenv("MOORAGE_ALLOW_REBOOT", "1")
    monkeypatch.setenv("MOORAGE_REBOOT_COMMAND", "sh -c 'echo not now; exit 4'")
    run(folder, server, asked(server, "reboot"))
    assert server.results[0]["state"] == "failed"
    assert "not now" in server.results[0]["error"]


def test_a_plan_says_what_would_be_done_and_does_nothing(server, folder, tmp_path):
    starts, other = tmp_path / "starts", tmp_path / "other"
    server.set_config({**BASE, "services": {"app": appends(starts), "gone": appends(starts)}})
    document = {
        **BASE,
        "services": {"app": appends(starts), "new": appends(other)},
        "streams": {"cam": {"source": f"rtsp://user:secret@127.0.0.1:{closed_port()}/x"}},
    }
    run(folder, server, asked(server, "plan", document=document))
    result = server.results[0]["result"]
    assert result["would_apply"] is True
    done = [(one["do"], one.get("service", one.get("stream"))) for one in result["effects"]]
    assert sorted(done) == [
        ("prepare", "new"),
        ("remove", "gone"),
        ("start", "new"),
        ("start_stream", "cam"),
    ]
    assert [one["kind"] for one in result["obstacles"]] == ["camera_unreachable"]
    assert "secret" not in json.dumps(result)
    assert not other.exists()
    store = Store(str(folder), boot_id="boot")
    assert store.configs.memory().good.revision == server.revision
    store.close()


@pytest.mark.parametrize(
    ("services", "kind"),
    [
        ({"app": {"command": ["no-such-command"]}}, "command"),
        ({"app": {"image": "x", "volumes": "no"}}, "document"),
        ({"app": {"image": "127.0.0.1:1/none"}}, "engine"),
    ],
)
def test_a_plan_says_what_would_stop_it(server, folder, monkeypatch, tmp_path, services, kind):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    run(folder, server, asked(server, "plan", document={**BASE, "services": services}))
    result = server.results[0]["result"]
    assert result["would_apply"] is False
    assert [one["kind"] for one in result["obstacles"]] == [kind]


def test_a_plan_of_what_runs_already_is_empty():
    document = {**BASE, "services": {"app": {"command": ["sleep", "9"]}}}
    target = loop.applying_state.Target(1, None, document)
    state = loop.applying.begin(loop.applying_state.Memory(target))
    [unit] = units.units_of(document).values()
    seen = loop.applying_state.Seen(unit.driver, unit.digest, "running")
    state = step.replace(state, seen={"app": seen})
    assert planning.effects_of(state, document, 0.0) == []


def closed_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]
