"""The loop against a server that checks chains by itself: what each answer makes the agent do."""

import json
import sqlite3
import time

import pytest

from agent.fake_server import LOST, SIGN_IN_PAGE, UNHEARD, Reply, problem
from agent.kit import enrolled, run, token
from moorage_agent import clock, loop, step
from moorage_agent.clock import Instant
from moorage_agent.logs import Collector
from moorage_agent.step import LIVE
from moorage_agent.store import Store
from moorage_agent.transport import Answer

INTERVAL_S = 0.1
SAMPLES = "%cpu_percent%"


@pytest.fixture(autouse=True)
def _in_haste(monkeypatch, server):
    """Pauses at their shortest, and an interval that no server may ask for in earnest."""
    monkeypatch.setattr(loop.random, "random", lambda: 0.0)
    monkeypatch.setattr(loop, "_WAKE_EVERY_S", 0.02)
    monkeypatch.setattr(loop, "_FIRST_AFTER_S", 0.1)
    monkeypatch.setattr(step, "SHORTEST_INTERVAL_S", INTERVAL_S)
    server.interval_s = INTERVAL_S


def first(*replies):
    """Answer the first attempts so, the rest truly."""
    left = list(replies)
    return lambda _attempt: left.pop(0) if left else None


def rows_waiting(folder, like="%"):
    with sqlite3.connect(folder / "agent.db") as db:
        found = db.execute("SELECT COUNT(*) FROM rows WHERE body LIKE ?", (like,)).fetchone()
    return found[0]


def remembered(folder, name):
    store = Store(str(folder), boot_id="boot")
    try:
        return store.get(name)
    finally:
        store.close()


def test_the_first_report_brings_facts_a_sample_and_the_start(server, folder):
    run(folder, server, lambda: server.accepted)
    report = server.accepted[0]
    assert report["facts"]["agent_version"]
    assert report["facts"]["ip_address"] == "127.0.0.1"
    assert [event["event"] for event in report["events"]] == ["agent.started"]
    assert report["telemetry"][0]["memory_percent"] > 0
    assert report["boot_id"] == "boot"
    headers = server.attempts[0].headers
    assert headers["Authorization"].startswith("Bearer adk_")
    assert headers["Content-Encoding"] == "gzip"
    assert headers["Moorage-Device-Time"].endswith("Z")


def test_facts_are_told_once_for_each_start(server, folder):
    run(folder, server, lambda: len(server.accepted) >= 3)
    run(folder, server, lambda: len(server.accepted) >= 5)
    assert sum("facts" in report for report in server.accepted) == 2


@pytest.mark.parametrize("reply", [LOST, UNHEARD, SIGN_IN_PAGE, Reply(200, {"chain": "0" * 64})])
def test_an_unanswered_report_is_resent_byte_for_byte(server, folder, reply):
    server.reply = first(reply, reply)
    run(folder, server, lambda: len(server.attempts) >= 4 and len(server.accepted) >= 2)
    again = [attempt.raw for attempt in server.attempts[:3]]
    assert len(set(again)) == 1
    assert len(server.rows("events")) == 1
    assert not server.broken


@pytest.mark.parametrize("status", [500, 502, 429, 503, 302, 404])
def test_a_server_in_trouble_is_asked_again(server, folder, status):
    server.reply = first(Reply(status, "trouble", {"Location": "http://evil.example/"}))
    run(folder, server, lambda: server.accepted)
    assert server.attempts[0].raw == server.attempts[1].raw
    asked = {path.partition("?")[0] for path in server.paths}
    assert asked <= {"/v1/enroll", "/v1/reports", "/v1/config", "/v1/commands"}


def test_a_wish_to_be_left_alone_is_honoured(server, folder):
    server.reply = first(problem(503, "busy"), Reply(503, {"code": "busy"}, {"Retry-After": "600"}))
    with pytest.raises(AssertionError, match="did not come"):
        run(folder, server, lambda: server.accepted, within_s=1.5)
    assert len(server.attempts) == 2


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_does_not_stop_the_collecting(server, folder, status):
    server.reply = lambda _attempt: problem(status, "unauthenticated")
    run(folder, server, lambda: server.attempts and rows_waiting(folder, SAMPLES) >= 3)
    assert len(server.attempts) == 1
    assert "refuses this device's key" in remembered(folder, "last_error")
    server.reply = lambda _attempt: None
    run(folder, server, lambda: len(server.rows("events")) == 2)
    assert len(server.rows("telemetry")) >= 4


def test_a_server_set_back_is_sent_what_it_lost(server, folder):
    run(folder, server, lambda: len(server.accepted) >= 3)
    # It remembers the first report only.
    kept = server.accepted[:1]
    epoch = kept[0]["epoch"]
    server.links = {key: link for key, link in server.links.items() if link[2] == 1}
    server.epochs = {epoch: (1, next(iter(server.links.values()))[1])}
    lost, server.accepted = server.accepted[1:], kept
    run(folder, server, lambda: len(server.accepted) > len(lost) + 1)
    ids = [report["id"] for report in server.accepted]
    assert ids[1 : len(lost) + 1] == [report["id"] for report in lost]
    assert {report["epoch"] for report in server.accepted} == {epoch}
    assert len(server.broken) == 1


def test_a_server_that_forgot_the_epoch_is_sent_all_of_it(server, folder):
    run(folder, server, lambda: len(server.accepted) >= 3)
    told = server.accepted
    server.links, server.epochs, server.accepted = {}, {}, []
    run(folder, server, lambda: len(server.accepted) > len(told))
    assert server.accepted[: len(told)] == told


@pytest.mark.parametrize(
    "reply",
    [
        problem(409, "chain_forked", sequence=9, chain="f" * 64),
        problem(409, "chain_forked", sequence=2**70, chain="f" * 64),
        problem(409, "sequence_reused"),
    ],
)
def test_a_foreign_history_makes_a_new_store_that_keeps_the_ids(server, folder, reply):
    server.reply = first(reply)
    run(folder, server, lambda: server.accepted)
    before, after = server.attempts[0].report, server.accepted[0]
    assert after["id"] == before["id"]
    assert after["store"] != before["store"]
    assert after["continues"] == {"epoch": before["epoch"], "sequence": 1}
    assert after["sequence"] == 1
    assert after["telemetry"] == before["telemetry"]


def test_a_deleted_device_ends_its_agent(server, folder):
    server.reply = lambda _attempt: problem(410, "device_retired")
    agent = run(folder, server, lambda: remembered(folder, "retired"))
    assert agent._state.retired
    assert len(server.attempts) == 1


def test_a_410_of_something_else_ends_nobody(server, folder):
    server.reply = first(Reply(410, "gone"))
    run(folder, server, lambda: server.accepted)


@pytest.mark.parametrize("reply", [problem(413, "too_large"), problem(422, "bad"), Reply(413, "x")])
def test_a_report_nobody_takes_goes_emptied_and_facts_follow_alone(server, folder, reply):
    server.reply = first(reply)
    run(folder, server, lambda: len(server.accepted) >= 3)
    emptied, facts, rows = server.accepted[:3]
    assert emptied["sequence"] == 1
    assert emptied["dropped"]["events"] == 1
    assert "telemetry" not in emptied
    assert facts["facts"]["agent_version"]
    assert "telemetry" not in facts
    assert rows["telemetry"]


def test_facts_the_server_will_not_take_cost_no_rows(server, folder):
    server.reply = lambda a: problem(422, "bad") if "facts" in a.report else None
    run(folder, server, lambda: len(server.rows("telemetry")) >= 2)
    refused = [a.report for a in server.attempts if "facts" in a.report]
    assert len(refused) == 2
    assert "telemetry" not in refused[1]


def test_rows_of_long_ago_go_by_the_backfill_lane_beside_the_present(server, folder):
    store = Store(str(folder), boot_id="before")
    long_ago = Instant(time.time() - 5000, 1.0)
    store.add([("logs", long_ago, {"service": "x", "message": f"{n}"}) for n in range(2500)])
    store.close()
    run(
        folder,
        server,
        lambda: (
            sum(row["service"] == "x" for row in server.rows("logs")) == 2500
            and any("telemetry" in report for report in server.accepted)
        ),
    )
    past = [report for report in server.accepted if report.get("backfill")]
    assert all(len(report["logs"]) <= 1000 for report in past)
    told = [row["message"] for report in past for row in report["logs"] if row["service"] == "x"]
    assert told == [str(n) for n in range(2500)]
    assert all("facts" not in report for report in past)


def test_a_clock_that_is_set_mends_what_is_not_reported_even_over_a_reboot(
    server, folder, monkeypatch
):
    real, behind = clock.now, [time.time()]  # a boot in 1970
    monkeypatch.setattr(clock, "now", lambda: real()._replace(wall=time.time() - behind[0]))
    server.reply = lambda _attempt: UNHEARD

    def set_and_noticed():
        if server.attempts and rows_waiting(folder, SAMPLES) >= 3:
            behind[0] = 0.0
        return rows_waiting(folder, "%clock_jumped%")

    run(folder, server, set_and_noticed)
    in_1970 = [a.headers["Moorage-Device-Time"] for a in server.attempts]
    # What is made already keeps its times, and goes by the clock they were written with.
    assert all(told.startswith("1970") for told in in_1970)
    server.reply = lambda _attempt: None
    run(folder, server, lambda: len(server.rows("events")) >= 3, boot_id="after the reboot")
    assert [e["event"] for e in server.rows("events")].count("agent.clock_jumped") == 1
    # The two lanes race, so it need not be the first that arrives.
    made = {
        attempt.report["id"] for attempt in server.attempts if attempt.report["boot_id"] == "boot"
    }
    others = [report for report in server.accepted if report["id"] not in made]
    later = [row["at"] for report in others for row in report.get("telemetry", ())]
    assert len(later) >= 3
    assert all(at > "2020" for at in later)


def test_enrolling_anew_while_it_runs_makes_the_agent_begin_again(server, folder):
    def enrol_anew():
        if server.accepted and len(server.enrolments) == 1:
            enrolled(folder, server, used=token(digit="b"))
        return False

    agent = run(folder, server, lambda: enrol_anew() or len(server.enrolments) == 3)
    assert agent.enrolled_anew
    keys = {attempt.headers["Authorization"] for attempt in server.attempts}
    assert len(keys) == 1
    run(folder, server, lambda: len(server.rows("events")) == 2)
    assert len({attempt.headers["Authorization"] for attempt in server.attempts}) == 2


def test_a_disk_that_is_full_for_a_while_costs_neither_the_agent_nor_a_row(
    server, folder, monkeypatch
):
    real, fails, lines = Store.add, [True], []

    def add(self, rows):
        if fails[0]:
            raise sqlite3.OperationalError("database or disk is full")
        real(self, rows)

    monkeypatch.setattr(Store, "add", add)

    def mended():
        fails[0] = not server.accepted
        lines[:] = [row["message"] for row in server.rows("logs")]
        return any("can be written again" in line for line in lines) and server.rows("telemetry")

    run(folder, server, mended)
    assert len(server.rows("events")) == 1
    assert any("disk is full" in line for line in lines)
    assert any("can be written again" in line for line in lines)


def test_an_answer_for_a_store_that_is_no_more_changes_nothing(server, folder):
    store = Store(str(folder), boot_id="boot")
    agent = loop.Agent(store, str(folder), Collector(), boot_id="boot", transport=_NoTransport)
    late = store.compose("backfill", {}, clock.now(), past_before=0.0)
    store.resolve_fork(LIVE, 7, "f" * 64)
    for reply in (
        problem(413, "too_large"),
        problem(409, "chain_forked", sequence=0, chain="f" * 64),
    ):
        answer = Answer(reply.status, reply.body, None)
        message = agent._message("backfill", late, answer)
        assert isinstance(message, step.Superseded)
    moved = json.loads(store.first_waiting("backfill").body)
    assert moved["id"] == json.loads(late.body)["id"]
    store.close()


class _NoTransport:
    local_address = None
