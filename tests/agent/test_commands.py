"""Commands: each is run once and answered, whatever comes between."""

import pytest

from agent.fake_server import LOST, UNHEARD, problem
from agent.kit import run
from moorage_agent import loop, step
from moorage_agent.results import Outcome
from moorage_agent.store import Store


@pytest.fixture(autouse=True)
def _in_haste(monkeypatch, server):
    monkeypatch.setattr(loop.random, "random", lambda: 0.0)
    monkeypatch.setattr(loop, "_WAKE_EVERY_S", 0.02)
    monkeypatch.setattr(loop, "_FIRST_AFTER_S", 0.05)
    # Only what is urgent is reported within a test.
    server.interval_s = 3600


def told(server, command_id):
    return [result for result in server.results if result["id"] == command_id]


def test_a_ping_is_answered_at_once_and_once(server, folder):
    server.ask("cmd_1", "ping")
    run(folder, server, lambda: told(server, "cmd_1"))
    (result,) = told(server, "cmd_1")
    assert result["state"] == "succeeded"
    assert (
        result["result"]["agent_version"] == server.rows("events")[0]["metadata"]["agent_version"]
    )
    assert result["result"]["uptime_s"] > 0


@pytest.mark.parametrize("reply", [LOST, UNHEARD, problem(503, "busy")])
def test_a_result_whose_report_is_lost_arrives_once(server, folder, reply):
    server.ask("cmd_1", "ping")
    fails = [reply, reply]
    server.reply = lambda a: fails.pop() if "commands" in a.report and fails else None
    run(folder, server, lambda: told(server, "cmd_1") and not fails and not server.open)
    run(folder, server, lambda: len(server.rows("events")) == 2)
    assert len(told(server, "cmd_1")) == 1


def test_what_is_given_again_is_not_run_again(server, folder, monkeypatch):
    """A server that takes note of no result gives a command with every answer."""
    often(server, monkeypatch)
    server.forgets_results = True
    server.ask("cmd_1", "collect_logs")
    run(folder, server, lambda: len(told(server, "cmd_1")) >= 4)
    first, *again = told(server, "cmd_1")
    assert again == [first] * len(again)
    lines = [row["message"] for row in server.rows("logs")]
    assert lines.count("command cmd_1: collect_logs") == 1
    # Told again with the reports that are due anyway, not as fast as the network goes.
    measured = [report for report in server.accepted if "telemetry" in report]
    assert len(again) <= len(measured)


def often(server, monkeypatch):
    monkeypatch.setattr(step, "SHORTEST_INTERVAL_S", 0.1)
    server.interval_s = 0.1


def test_an_unknown_kind_is_answered_with_what_there_is(server, folder):
    server.ask("cmd_1", "dance")
    run(folder, server, lambda: told(server, "cmd_1"))
    (result,) = told(server, "cmd_1")
    assert result["state"] == "failed"
    assert "'dance'" in result["error"]
    assert "ping" in result["error"]


@pytest.mark.parametrize(
    "given",
    [
        {"kind": None, "arguments": []},
        {"kind": "\ud800\x00", "arguments": None},
        {"kind": "collect_logs", "arguments": {"for_s": True}},
        {"kind": "collect_logs", "arguments": {"for_s": 3601}},
        {"kind": "collect_logs", "arguments": {"for_s": "long"}},
    ],
)
def test_a_malformed_command_is_answered_failed(server, folder, given):
    server.ask("cmd_1", **given)
    run(folder, server, lambda: told(server, "cmd_1"))
    assert told(server, "cmd_1")[0]["state"] == "failed"


def test_what_cannot_be_answered_stands_in_nobodys_way(server, folder):
    for command_id in ("\ud800", "x" * 129, "", None, 7):
        server.open[str(command_id)] = {"id": command_id, "kind": "ping"}
    server.open["none"] = "no command"
    server.ask("cmd_1", "ping")
    run(folder, server, lambda: told(server, "cmd_1"))
    assert len(server.results) == 1


def test_an_expired_command_is_not_run_by_the_servers_clock(server, folder):
    # The fake server's time stands at ten o'clock, whatever this machine's says.
    server.ask("cmd_1", "ping", expires_at="2026-11-21T10:00:00.000Z")
    server.ask("cmd_2", "ping", expires_at="2026-11-21T10:00:05.000Z")
    run(folder, server, lambda: told(server, "cmd_1") and told(server, "cmd_2"))
    (expired,), (in_time,) = told(server, "cmd_1"), told(server, "cmd_2")
    assert (expired["state"], in_time["state"]) == ("failed", "succeeded")
    assert expired["error"].startswith("expired")


def test_collecting_logs_brings_what_the_level_held_back_once(server, folder, monkeypatch):
    often(server, monkeypatch)
    server.ask("cmd_1", "collect_logs", arguments={"for_s": 0})

    def held_back():
        return [row for row in server.rows("logs") if row["severity"] == "debug"]

    def asked_again():
        if told(server, "cmd_1") and not told(server, "cmd_2"):
            server.ask("cmd_2", "collect_logs", arguments={"for_s": 600})
        return told(server, "cmd_2")

    run(folder, server, asked_again)
    first = told(server, "cmd_1")[0]["result"]["lines"]
    second = told(server, "cmd_2")[0]["result"]["lines"]
    assert first > 0
    lines = [row["message"] for row in held_back()]
    assert len(lines) >= first + second
    assert len(lines) == len(set(lines))


def test_a_restart_is_answered_by_the_next_process_alone(server, folder):
    server.ask("cmd_1", "restart_agent")
    server.ask("cmd_2", "ping")
    agent = run(folder, server, ends=True)
    assert agent.restart_asked
    assert not server.results
    run(folder, server, lambda: told(server, "cmd_1") and told(server, "cmd_2"))
    (result,) = told(server, "cmd_1")
    assert (result["state"], result["result"]["restarted"]) == ("succeeded", True)
    run(folder, server, lambda: len(server.rows("events")) == 3)
    assert len(server.results) == 2


def test_a_restart_that_would_not_come_back_is_answered_failed(server, folder):
    server.ask("cmd_1", "restart_agent")
    agent = run(
        folder, server, lambda: told(server, "cmd_1"), why_no_restart=lambda: "it is broken"
    )
    assert not agent.restart_asked
    (result,) = told(server, "cmd_1")
    assert (result["state"], result["error"]) == ("failed", "it is broken")


def test_a_restart_that_does_not_come_about_is_answered_failed(server, folder):
    server.ask("cmd_1", "restart_agent")
    agent = run(folder, server, ends=True, after=lambda a: a.give_up_restart("no exec"))
    assert agent.restart_asked
    run(folder, server, lambda: told(server, "cmd_1"))
    assert told(server, "cmd_1")[0]["error"] == "no exec"


def test_a_server_that_lost_a_result_is_told_again(server, folder, monkeypatch):
    often(server, monkeypatch)
    server.ask("cmd_1", "ping")
    run(folder, server, lambda: told(server, "cmd_1"))
    server.ask("cmd_1", "ping")
    run(folder, server, lambda: len(told(server, "cmd_1")) == 2)
    first, second = told(server, "cmd_1")
    assert first == second


@pytest.mark.parametrize("reply", [problem(413, "too_large"), problem(422, "bad")])
def test_a_result_the_server_will_not_take_goes_alone_without_its_findings(server, folder, reply):
    server.ask("cmd_1", "ping")
    server.reply = lambda a: reply if "result" in str(a.report.get("commands")) else None
    run(folder, server, lambda: told(server, "cmd_1"))
    assert told(server, "cmd_1") == [{"id": "cmd_1", "state": "succeeded"}]
    alone = next(report for report in server.accepted if "commands" in report)
    assert "telemetry" not in alone
    assert not any("commands" in report.get("dropped", {}) for report in server.accepted)


def test_a_result_the_server_takes_in_no_form_is_counted_and_said(server, folder):
    server.ask("cmd_1", "ping")
    server.reply = lambda a: problem(422, "bad") if "commands" in a.report else None
    run(
        folder,
        server,
        lambda: [r for r in server.accepted if r.get("dropped", {}).get("commands") == 1],
    )
    assert not server.results
    store = Store(str(folder), boot_id="boot")
    assert store.results.state_of("cmd_1") == "lost"
    assert store.counts()["set_aside"] == 2
    store.close()


def test_another_device_begins_with_no_memory_of_commands(tmp_path):
    store = Store(str(tmp_path), boot_id="boot")
    store.results.begin("cmd_1", "ping")
    store.enrolled(anew=False)
    assert store.results.state_of("cmd_1") == "begun"
    store.enrolled(anew=True)
    assert store.results.state_of("cmd_1") is None
    store.close()


def test_the_memory_of_commands_is_bounded_and_never_forgets_what_is_not_told(tmp_path):
    store = Store(str(tmp_path), boot_id="boot")
    store.finish("first", "ping", Outcome({}), [])
    for number in range(1100):
        store.finish(f"c{number}", "ping", Outcome({}), [])
        if number == 600:
            with store._db.transaction():
                taken = [store.results.take(refused=False) for _ in range(10)]
    told_ids = [one["id"] for part in taken for one in part]
    assert told_ids[0] == "first"
    assert store.results.state_of("first") is None
    assert store.results.state_of("c1099") == "done"
    with store._db.transaction():
        rest = [store.results.take(refused=False) for _ in range(10)]
    assert [one["id"] for part in rest for one in part] == [f"c{n}" for n in range(601, 1100)]
    store.close()


def test_whether_a_command_expired_says_the_servers_clock():
    command = step.Command("c", "ping", {}, expires_at=1000.0)
    state = step.State(interval_s=30)
    for server_at, expired in ((None, False), (999.9, False), (1000.0, True), (2000.0, True)):
        answered = step.Acknowledged(step.LIVE, 5.0, 30, server_at=server_at, commands=(command,))
        assert step.Run(command, expired=expired, again=True) in step.step(state, answered)[1]
