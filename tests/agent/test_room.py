"""A server without room for telemetry and logs is told the rest; nothing it refused is lost."""

import json
from datetime import datetime

import pytest

from agent.fake_server import Reply
from agent.kit import run
from moorage_agent import answers, loop, messages, step
from moorage_agent.clock import Instant
from moorage_agent.step import BACKFILL, LIVE
from moorage_agent.store import Store
from moorage_agent.transport import Answer

ADD_UP = ("telemetry", "logs")


@pytest.fixture(autouse=True)
def _in_haste(monkeypatch, server):
    monkeypatch.setattr(loop.random, "random", lambda: 0.0)
    monkeypatch.setattr(loop, "_WAKE_EVERY_S", 0.02)
    monkeypatch.setattr(loop, "_FIRST_AFTER_S", 0.1)
    monkeypatch.setattr(step, "SHORTEST_INTERVAL_S", 0.1)
    server.interval_s = 0.1


def no_room(report, *, again_s: int = 2) -> Reply | None:
    """What our server answers a report that adds up, and nothing to one that does not."""
    parts = [part for part in ADD_UP if report.get(part)]
    if not parts:
        return None
    body = {"status": 507, "code": "storage_nearly_full", "detail": "no room", "refused": parts}
    return Reply(507, body, {"Retry-After": str(again_s)})


def test_without_room_the_rest_goes_on_and_with_room_all_rows_arrive_once(server, folder):
    full = True
    server.reply = lambda attempt: no_room(attempt.report) if full else None
    server.ask("cmd_1", "ping")
    run(folder, server, lambda: len(server.accepted) >= 6 and server.results)
    assert not any(report.get(part) for report in server.accepted for part in ADD_UP)
    assert "agent.started" in [event["event"] for event in server.rows("events")]
    assert [one["state"] for one in server.results] == ["succeeded"]
    refused = [one.report for one in server.attempts if one.report.get("telemetry")]
    assert len(refused) < len(server.accepted), "it is not offered with every report"
    kept = {sample["at"] for report in refused for sample in report["telemetry"]}
    full = False
    run(folder, server, lambda: kept <= {sample["at"] for sample in server.rows("telemetry")})
    times = [sample["at"] for sample in server.rows("telemetry")]
    assert len(times) == len(set(times)), "and each once"
    assert server.broken == []


def test_a_refusal_that_names_no_parts_is_a_failure_like_others():
    answer = Answer(507, {"code": "storage_full", "detail": "full"}, 60.0)
    message = answers.message_of(answer, lane=LIVE, chain="c", now=1.0, luck=0.5)
    assert isinstance(message, messages.Failed)
    assert message.retry_after_s == 60.0


@pytest.mark.parametrize(
    ("retry_after_s", "pause"), [(None, 60.0), (90.0, 90.0), (0.0, 1.0), (1e9, 3600.0)]
)
def test_when_to_try_again_is_the_servers_to_say_within_bounds(retry_after_s, pause):
    body = {"code": "storage_nearly_full", "refused": ["logs", "made_up", 7]}
    answer = Answer(507, body, retry_after_s)
    message = answers.message_of(answer, lane=LIVE, chain="c", now=1.0, luck=0.5)
    assert message == messages.NoRoom(LIVE, 1.0, ("logs",), pause)


def decided(state, message):
    state, effects = step.step(state, message)
    return state, [type(one) for one in effects], effects


def test_until_it_is_time_reports_are_bare_and_the_backlog_waits():
    state = step.State(interval_s=30)
    tick = messages.Tick(now=0.0, waiting={}, backlog=False)
    state, _ = step.step(state, tick)
    state, kinds, effects = decided(state, messages.NoRoom(LIVE, 1.0, ADD_UP, 60.0))
    assert kinds == [messages.PutBack, messages.Note]
    assert effects[0].parts == ADD_UP
    held = messages.Tick(now=2.0, waiting={LIVE: True}, backlog=True)
    state, kinds, _ = decided(state, held)
    assert messages.Send in kinds
    assert messages.Compose not in kinds
    state, _ = step.step(state, messages.Acknowledged(LIVE, 3.0, 30.0))
    state, _, effects = decided(state, messages.Tick(now=31.0, waiting={}, backlog=True))
    assert messages.Compose(LIVE, bare=True) in effects
    assert messages.Compose(BACKFILL) not in effects
    state, _ = step.step(state, messages.Acknowledged(LIVE, 32.0, 30.0))
    state, _, effects = decided(state, messages.Tick(now=62.0, waiting={}, backlog=True))
    assert {messages.Compose(LIVE), messages.Compose(BACKFILL)} <= set(effects)


def test_a_server_that_refuses_again_and_again_is_not_asked_without_end():
    state = step.State(interval_s=30)
    state, _ = step.step(state, messages.Tick(now=0.0, waiting={}))
    for _ in range(2):
        state, _ = step.step(state, messages.NoRoom(LIVE, 1.0, ADD_UP, 60.0))
    assert state.lanes[LIVE].not_before >= 1.0 + step.LONGEST_PAUSE_S


def test_what_is_put_back_is_told_later_with_the_times_it_has(tmp_path):
    store = Store(str(tmp_path), boot_id="boot")
    at = [Instant(wall=1_700_000_000.0 + n, steady=100.0 + n) for n in range(3)]
    store.add(("telemetry", one, {"cpu_percent": n}) for n, one in enumerate(at))
    store.add([("events", at[0], {"id": "e", "event": "made.up"})])
    now = Instant(wall=1_700_000_010.0, steady=110.0)
    head = {"sent_at": "2026-11-21T10:00:00.000Z", "facts": {"hostname": "h"}}
    first = store.compose(LIVE, head, now, past_before=0.0)
    store.put_back(first, ("telemetry", "logs"))
    bare = store.first_waiting(LIVE)
    told = json.loads(bare.body)
    assert (bare.sequence, "telemetry" in told) == (first.sequence, False)
    assert (told["facts"], told["events"][0]["id"]) == ({"hostname": "h"}, "e")
    assert told["previous"] == json.loads(first.body)["previous"]
    assert told["id"] != json.loads(first.body)["id"]
    store.acknowledge(bare, now)
    # The clock is set by an hour in between: the rows are mended like any other.
    later = Instant(wall=1_700_000_020.0 + 3600, steady=120.0)
    again = json.loads(store.compose(LIVE, {}, later, past_before=0.0).body)
    times = [datetime.fromisoformat(row["at"]).timestamp() for row in again["telemetry"]]
    assert times == [1_700_003_600.0 + n for n in range(3)]
    assert [row["cpu_percent"] for row in again["telemetry"]] == [0, 1, 2]
    store.close()
