"""What the agent keeps, and in what order it gives it out."""

import hashlib
import json
import sqlite3
import uuid

import pytest

from moorage_agent import bodies
from moorage_agent.clock import Instant
from moorage_agent.step import BACKFILL, LIVE
from moorage_agent.store import Store

HEAD = {"sent_at": "2026-11-21T10:00:00.000Z"}


@pytest.fixture
def store(tmp_path):
    opened = Store(str(tmp_path / "agent"), boot_id="boot-1")
    yield opened
    opened.close()


def line(number):
    return {"service": "t", "severity": "info", "message": f"line {number}"}


def at(second, *, set_by=0.0):
    return Instant(1_000_000.0 + second + set_by, float(second))


def compose(store, lane=LIVE, second=10, *, past_before=0.0, set_by=0.0):
    return store.compose(lane, HEAD, at(second, set_by=set_by), past_before=past_before)


def independent_chain(epoch, raw_bodies):
    chain = hashlib.sha256(epoch.encode()).hexdigest()
    for raw in raw_bodies:
        joined = chain + ":" + hashlib.sha256(raw).hexdigest()
        chain = hashlib.sha256(joined.encode()).hexdigest()
    return chain


def test_reports_of_a_lane_form_the_chain_the_protocol_asks_for(store):
    made = [compose(store, second=n) for n in range(1, 4)]
    for waiting in made:
        store.acknowledge(waiting, at(9))
    assert [w.sequence for w in made] == [1, 2, 3]
    assert made[-1].chain == independent_chain(made[0].epoch, [w.body for w in made])
    parsed = [json.loads(w.body) for w in made]
    assert parsed[1]["previous"] == independent_chain(made[0].epoch, [made[0].body])
    assert len({p["id"] for p in parsed}) == 3


def test_a_row_is_in_exactly_one_report(store):
    store.add([("logs", at(n), line(n)) for n in range(2500)])
    seen = []
    for _ in range(10):
        waiting = compose(store, second=3000)
        store.acknowledge(waiting, at(3000))
        rows = json.loads(waiting.body).get("logs", [])
        assert len(rows) <= 1000
        seen += [row["message"] for row in rows]
    assert sorted(seen) == sorted(f"line {n}" for n in range(2500))


def test_old_rows_go_by_the_backfill_lane_and_fresh_ones_live(store):
    store.add([("logs", at(n), line(n)) for n in range(100)])
    live = json.loads(compose(store, LIVE, 100, past_before=50.0).body)
    past = json.loads(compose(store, BACKFILL, 100, past_before=50.0).body)
    assert [row["message"] for row in live["logs"]] == [f"line {n}" for n in range(50, 100)]
    assert [row["message"] for row in past["logs"]] == [f"line {n}" for n in range(50)]
    assert past["backfill"] is True
    assert "backfill" not in live
    assert live["epoch"] != past["epoch"]
    assert live["store"] == past["store"]


def test_a_clock_set_after_sampling_mends_what_is_not_yet_reported(store):
    store.add([("telemetry", Instant(5.0, 5.0), {"cpu_percent": 1})])  # 1970, just after boot
    report = json.loads(compose(store, second=65).body)
    assert report["telemetry"][0]["at"] == "1970-01-12T13:46:45.000Z"  # 1,000,000 s + 5 s


def test_the_header_time_follows_the_clock_the_body_was_written_with(store):
    waiting = compose(store, second=10)
    present = at(25, set_by=7200)  # two hours set in between
    told = bodies.device_time(waiting.composed, present, "boot-1")
    assert told == "1970-01-12T13:47:05.000Z"  # 1,000,000 s + 25 s by the old clock
    after_reboot = bodies.device_time(waiting.composed, present, "boot-2")
    assert after_reboot == "1970-01-12T15:47:05.000Z"


def test_a_server_that_was_set_back_is_sent_what_it_lacks_byte_for_byte(store):
    made = [compose(store, second=n) for n in range(1, 6)]
    for waiting in made[:4]:
        store.acknowledge(waiting, at(9))
    assert store.resolve_fork(LIVE, 2, made[1].chain) is True
    for expected in made[2:]:
        waiting = store.first_waiting(LIVE)
        assert (waiting.sequence, waiting.body) == (expected.sequence, expected.body)
        store.acknowledge(waiting, at(9))
    assert store.first_waiting(LIVE) is None


def test_a_server_that_has_everything_settles_what_waits(store):
    waiting = compose(store)
    assert store.resolve_fork(LIVE, waiting.sequence, waiting.chain) is True
    assert store.first_waiting(LIVE) is None


def test_a_foreign_chain_makes_a_new_store_that_keeps_ids_and_content(store):
    store.add([("logs", at(1), line(1))])
    first = compose(store)
    past = compose(store, BACKFILL)
    before = {lane: json.loads(w.body) for lane, w in ((LIVE, first), (BACKFILL, past))}
    assert store.resolve_fork(LIVE, 7, "f" * 64) is False
    for lane in (LIVE, BACKFILL):
        waiting = store.first_waiting(lane)
        after = json.loads(waiting.body)
        assert after["id"] == before[lane]["id"]
        assert after.get("logs") == before[lane].get("logs")
        assert after["store"] != before[lane]["store"]
        assert after["epoch"] != before[lane]["epoch"]
        assert (after["sequence"], waiting.sequence) == (1, 1)
        assert after["previous"] == hashlib.sha256(after["epoch"].encode()).hexdigest()
        assert after["continues"] == {"epoch": before[lane]["epoch"], "sequence": 1}


def test_a_server_that_forgot_the_epoch_is_sent_all_of_it_while_it_is_held(store):
    made = [compose(store, second=n) for n in range(1, 4)]
    for waiting in made:
        store.acknowledge(waiting, at(5))
    beginning = hashlib.sha256(made[0].epoch.encode()).hexdigest()
    late = compose(store, second=6)
    assert store.resolve_fork(LIVE, 0, beginning) is True
    assert store.first_waiting(LIVE).body == made[0].body
    del late


def test_bodies_let_go_after_a_day_cannot_be_sent_again_so_a_new_epoch_begins(store):
    waiting = compose(store, second=1)
    store.acknowledge(waiting, at(1))
    store.tidy(at(2 * 86400))
    compose(store, second=3)
    beginning = hashlib.sha256(waiting.epoch.encode()).hexdigest()
    assert store.resolve_fork(LIVE, 0, beginning) is False


def test_a_report_nobody_takes_is_set_aside_and_its_place_goes_emptied(store):
    store.add([("logs", at(n), line(n)) for n in range(3)])
    refused = compose(store)
    assert store.set_aside(refused, 422, "bad", at(11)) is True
    emptied = json.loads(store.first_waiting(LIVE).body)
    assert emptied["sequence"] == refused.sequence
    assert "logs" not in emptied
    assert emptied["dropped"] == {"logs": 3}
    assert store.counts()["set_aside"] == 1
    assert store.set_aside(store.first_waiting(LIVE), 422, "bad", at(12)) is False


def test_over_budget_the_oldest_telemetry_goes_first_and_is_counted(tmp_path):
    store = Store(str(tmp_path / "small"), boot_id="b", waiting_bytes=40_000)
    store.add([("events", at(n), {"id": str(n), "event": "e"}) for n in range(100)])
    store.add([("logs", at(n), line(n)) for n in range(100)])
    for n in range(2000):
        store.add([("telemetry", at(n), {"cpu_percent": n})])
    reports = [json.loads(compose(store, second=3000).body) for _ in range(3)]
    kept = {part: sum(len(r.get(part, ())) for r in reports) for part in ("events", "logs")}
    assert kept == {"events": 100, "logs": 100}
    figures = sorted(row["cpu_percent"] for r in reports for row in r.get("telemetry", ()))
    dropped = sum(r.get("dropped", {}).get("telemetry", 0) for r in reports)
    assert dropped > 0
    assert figures == list(range(dropped, 2000))
    store.close()


def test_what_is_kept_survives_opening_anew(tmp_path):
    first = Store(str(tmp_path / "a"), boot_id="b")
    first.add([("logs", at(1), line(1))])
    made = compose(first)
    first.close()
    second = Store(str(tmp_path / "a"), boot_id="b")
    assert second.first_waiting(LIVE).body == made.body
    second.close()


def test_the_file_is_its_owners_only(store, tmp_path):
    assert (tmp_path / "agent" / "agent.db").stat().st_mode & 0o077 == 0
    with sqlite3.connect(tmp_path / "agent" / "agent.db") as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_ids_of_reports_ascend_as_they_are_made_so_that_the_server_finds_them_side_by_side(store):
    ids = []
    for second in range(0, 3_000, 30):
        waiting = store.compose(LIVE, HEAD, at(second), past_before=0)
        store.acknowledge(waiting, at(second))
        ids.append(json.loads(waiting.body)["id"])
    assert ids == sorted(ids)
    assert {uuid.UUID(one).version for one in ids} == {7}


@pytest.mark.parametrize("wall", [-86_400.0, 0.0, 1_000_000.0, 2.0**40])
def test_whatever_the_clock_says_an_id_is_a_uuid_of_its_own(wall):
    made = {uuid.UUID(bodies.new_id(wall)) for _ in range(1_000)}
    assert len(made) == 1_000
    assert {(one.version, one.variant) for one in made} == {(7, uuid.RFC_4122)}
