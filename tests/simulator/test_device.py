import dataclasses
import json
import tracemalloc
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage.simulator import PROFILES, Account, Nature, Unreachable, VirtualDevice
from moorage_agent.transport import Answer
from simulator.far_side import FarSide, at, live

STEADY = ("camera", "meter", "gateway")


def device(profile: str = "meter", *, number: int = 0, seed: int = 7, **more) -> VirtualDevice:
    nature = Nature(PROFILES[profile], seed, number)
    return VirtualDevice(nature, "one", Account(), at(0), interval_s=30, **more)


def told(one: VirtualDevice, seconds: float) -> list[dict]:
    far = FarSide()
    live(one, far, begin=0, end=seconds)
    return far.reports


@pytest.mark.parametrize("profile", STEADY)
def test_a_steady_device_reports_at_its_interval_with_a_sample_each(profile):
    far = FarSide()
    one = device(profile)
    live(one, far, begin=0, end=600)
    (epoch,) = far.epochs.values()
    assert 20 <= len(epoch) <= 22  # one more tells that the config is applied
    assert [report["sequence"] for report in epoch] == list(range(1, len(epoch) + 1))
    assert len(far.rows("telemetry")) == 20
    assert set(far.rows("telemetry")[0]) == {"at", *PROFILES[profile].levels}


def test_the_first_report_brings_facts_and_the_next_does_not():
    first, second, *_ = told(device("camera"), 90)
    assert first["facts"]["hostname"] == "one"
    assert first["events"][0]["event"] == "device.booted"
    assert "facts" not in second


def test_a_config_is_fetched_and_told_as_applied_once():
    reports = [one["config"] for one in told(device("camera"), 300) if "config" in one]
    assert reports == [{"revision": 1, "digest": "sha256:1", "state": "applied"}]


def measured(reports: list[dict]) -> list[dict]:
    return [
        {name: value for name, value in row.items() if name not in ("at", "id")}
        for report in reports
        for part in ("telemetry", "logs", "events")
        for row in report.get(part, [])
    ]


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_the_same_seed_gives_the_same_life(profile):
    assert measured(told(device(profile), 1200)) == measured(told(device(profile), 1200))


def test_another_seed_or_number_gives_another_life():
    lives = [
        measured(told(one, 300)) for one in (device(), device(seed=8), device(number=1), device())
    ]
    assert lives[0] == lives[3]
    assert lives[0] != lives[1]
    assert lives[0] != lives[2]


def test_a_lost_answer_is_followed_by_the_very_same_bytes():
    far = FarSide()
    one = device("meter")
    (request,) = one.advance(at(30))
    far.take(request.body)
    one.answered(request, Unreachable("the answer was lost"), at(31))
    (again,) = one.advance(at(95))
    assert again.body == request.body
    one.answered(again, far.answer(again), at(96))
    assert len(far.reports) == 1
    assert (one._account.made, one._account.acknowledged, one._account.resent) == (1, 1, 1)


def test_flaky_devices_lose_nothing_and_say_each_thing_once():
    far = FarSide()
    account = Account()
    one = VirtualDevice(Nature(PROFILES["flaky"], 7, 3), "one", account, at(0), interval_s=30)
    live(one, far, begin=0, end=7200)
    one.finish(at(7200))
    live(one, far, begin=7200, end=7500)
    assert one.is_done
    assert account.answers_lost > 0
    assert account.cut > 0
    assert account.resent > 0
    assert account.made == account.acknowledged == len(far.reports)
    ids = Counter(row["id"] for row in far.rows("events"))
    assert set(ids.values()) == {1}
    times = [row["at"] for row in far.rows("telemetry")]
    assert len(set(times)) == len(times) >= 240  # 7200 s at 30 s, in outages too


def test_what_was_measured_in_a_long_outage_goes_by_backfill():
    far = FarSide()
    one = device("meter")
    live(one, far, begin=0, end=60)
    one.switch(at(60), on=False)
    live(one, far, begin=60, end=660)
    before = len(far.reports)
    one.switch(at(660), on=True)
    live(one, far, begin=660, end=760)
    new = far.reports[before:]
    past = [row["at"] for report in new if report.get("backfill") for row in report["telemetry"]]
    assert len(past) >= 15
    assert past == sorted(past)
    times = [row["at"] for row in far.rows("telemetry")]
    assert len(set(times)) == len(times) >= 24


def test_a_storm_is_silent_together_and_back_together():
    def alone(number: int) -> list[int]:
        far = FarSide()
        one = device("storm", number=number)
        heard = []
        for second in range(0, 720, 2):
            before = len(far.reports)
            live(one, far, begin=second, end=second + 2)
            heard += [second] * (len(far.reports) - before)
        return heard

    lives = [alone(number) for number in range(3)]
    for one in lives:
        assert not [second for second in one if 122 <= second % 180 < 180]
        assert {0, 180, 360, 540} <= set(one)


def events_of(report: dict) -> list[str]:
    return [event["event"] for event in report.get("events", [])]


def test_a_device_that_lost_power_starts_anew_with_its_chain_kept():
    reports = told(device("storm"), 720)
    assert len({report["epoch"] for report in reports}) == 1
    booted = [one for one in reports if "device.booted" in events_of(one)]
    assert len(booted) == 4
    assert all("facts" in report for report in booted)


def test_after_a_fork_the_report_goes_on_in_a_new_epoch_under_its_id():
    far = FarSide()
    one = device("meter")
    live(one, far, begin=0, end=70)
    (epoch,) = far.epochs
    kept = len(far.epochs[epoch])
    (request,) = [r for r in one.advance(at(95)) if r.lane]
    one.answered(
        request,
        Answer(409, {"code": "chain_forked", "sequence": 999, "chain": "f" * 64}, None),
        at(95),
    )
    live(one, far, begin=95, end=100)
    moved, *_ = [report for report in far.reports if report["epoch"] != epoch]
    assert moved["id"] == json.loads(request.body)["id"]
    assert moved["continues"] == {"epoch": epoch, "sequence": kept}
    assert one._account.forked == 1
    assert one._account.unaccounted == 0


def test_a_report_that_is_never_taken_leaves_its_place_to_an_empty_one():
    far = FarSide()
    one = device("camera")
    (request,) = one.advance(at(30))
    one.answered(request, Answer(422, {"code": "invalid", "detail": "no"}, None), at(30))
    (empty,) = one.advance(at(31))
    one.answered(empty, far.answer(empty), at(31))
    (report,) = far.reports
    assert report["sequence"] == 1
    assert report["dropped"]["telemetry"] == 1
    assert "telemetry" not in report
    assert (one._account.made, one._account.refused, one._account.acknowledged) == (2, 1, 1)


def test_only_410_ends_it():
    one = device("meter")
    (request,) = one.advance(at(30))
    one.answered(request, Answer(401, {"code": "key_invalid"}, None), at(30))
    assert not one.gone
    (again,) = one.advance(at(300))
    one.answered(again, Answer(410, {"code": "device_retired"}, None), at(300))
    assert one.gone
    assert one.advance(at(9000)) == []
    assert one._account.unaccounted == 0


def test_a_command_is_run_once_and_its_result_told():
    far = FarSide()
    one = device("camera")
    live(one, far, begin=0, end=60)
    pause = {"id": "c1", "kind": "pause_stream", "arguments": {"stream_id": "yard"}}
    far.commands = [
        {**pause, "expires_at": "2099-01-01T00:00:00.000Z"},
        {"id": "c2", "kind": "mow_lawn", "arguments": {}, "expires_at": None},
    ]
    before = len(far.reports)
    live(one, far, begin=60, end=91)
    far.commands = []
    live(one, far, begin=91, end=130)
    results = [one for report in far.reports[before:] for one in report.get("commands", [])]
    states = {one["id"]: one["state"] for one in results}
    assert states == {"c1": "succeeded", "c2": "failed"}
    streams = {stream["id"]: stream["status"] for stream in far.reports[-1]["streams"]}
    assert streams == {"entrance": "running", "yard": "paused"}


def test_a_fault_shows_in_what_it_measures_and_runs():
    far = FarSide()
    one = device("camera")
    one.faulty = True
    live(one, far, begin=0, end=60)
    report = far.reports[0]
    assert {stream["status"] for stream in report["streams"]} == {"error"}
    assert report["services"][0]["state"] == "failed"


def test_an_event_is_told_at_once():
    far = FarSide()
    one = device("meter")
    live(one, far, begin=0, end=40)
    one.happened("door.opened", "by hand", at(41))
    live(one, far, begin=41, end=42)
    assert far.reports[-1]["events"][-1]["event"] == "door.opened"


def test_it_reports_as_often_as_the_server_asks_unless_told_not_to():
    for obeys, expected in ((True, 60), (False, 10)):
        far = FarSide(interval_s=10)
        live(device("meter", obeys=obeys), far, begin=0, end=600)
        assert abs(len(far.rows("telemetry")) - (expected if obeys else 20)) <= 4


ANSWERS = st.sampled_from(["taken", "lost", "cut", "503", "401", "413", "forked", "late"])


@settings(max_examples=150, deadline=None)
@given(st.lists(ANSWERS, max_size=40), st.sampled_from(sorted(PROFILES)), st.integers(0, 50))
def test_whatever_happens_each_report_is_in_one_column_and_none_is_lost(outcomes, profile, number):
    far = FarSide()
    account = Account()
    one = VirtualDevice(Nature(PROFILES[profile], 1, number), "x", account, at(0), interval_s=30)
    now, late = 0.0, []
    for what in outcomes:
        now += 20
        for request in one.advance(at(now)):
            if what == "late" or request.lane is None:
                late.append(request)
                continue
            outcome = _outcome(far, request, what)
            one.answered(request, outcome, at(now))
        if what != "late":
            for request in late:
                one.answered(request, far.answer(request), at(now))
            late = []
        assert account.unaccounted == 0
    for request in late:
        one.answered(request, far.answer(request), at(now))
    one.finish(at(now))
    live(one, far, begin=now, end=now + 20_000, obey_fate=False)
    assert one.is_done
    assert account.unaccounted == account.waiting == 0
    there = {report["id"] for report in far.reports}
    assert account.acknowledged <= len(far.reports)
    assert len(there) <= account.made
    for epoch, proof in one.memory.proofs.items():
        assert far.chains[epoch][proof.sequence] == proof.chain


_SAID = {
    "503": Answer(503, {"code": "overloaded"}, 2.0),
    "401": Answer(401, {"code": "key_invalid"}, None),
    "413": Answer(413, {"code": "body_too_large"}, None),
    "forked": Answer(409, {"code": "chain_forked", "sequence": 777, "chain": "e" * 64}, None),
    "cut": Unreachable("cut"),
}


def _outcome(far: FarSide, request, what: str):
    if what == "413" and request.body in far.bodies:
        what = "taken"  # no server takes a report and refuses it later
    if what == "lost":
        far.take(request.body)
        return Unreachable("the answer was lost")
    return _SAID.get(what) or far.answer(request)


def test_ten_thousand_devices_fit_into_one_process():
    """A few KiB each: what 10,000 of them take must not be what a server takes."""
    far = FarSide()
    account = Account()
    nature = Nature(PROFILES["camera"], 1, 0)
    fleet = []
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(200):
        each = dataclasses.replace(nature, number=number)
        fleet.append(VirtualDevice(each, f"camera {number}", account, at(0), interval_s=30))
    for one in fleet:
        far.epochs.clear()
        far.bodies.clear()
        live(one, far, begin=0, end=90)
    far.__init__()
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert used / len(fleet) < 12 * 1024
