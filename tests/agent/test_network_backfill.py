"""Hours offline, and then the present first: the past comes beside it, in its own share."""

import itertools
import json
import random
import time

import pytest

from agent.kit import run
from moorage_agent import allowance, loop, step
from moorage_agent.allowance import Allowance
from moorage_agent.clock import Instant
from moorage_agent.messages import BACKFILL, LIVE
from moorage_agent.store import Store

HOUR = 3600.0
INTERVAL_S = 30.0
PAST_S = 90.0


# --- the allowance


def test_what_is_spent_is_paid_for_before_the_next_may_go():
    line = Allowance(600)  # 10 KiB a second
    assert line.allows(5.0)
    line.spend(5.0, 400 * 1024)
    assert not line.allows(44.9)
    assert line.allows(45.0)
    line.spend(45.0, 1)  # as 64 KiB
    assert not line.allows(51.3)
    assert line.allows(51.4)
    # What was not used is not saved up.
    line.spend(1000.0, 400 * 1024)
    assert not line.allows(1039.9)


def test_no_bound_is_none():
    line = Allowance(0)
    line.spend(1.0, 10**9)
    assert line.allows(1.0)


@pytest.mark.parametrize("told", ["-1", "1.5", "much", "²", str(2**31)])
def test_an_allowance_that_is_no_number_is_refused_by_its_variable(told):
    with pytest.raises(ValueError, match="MOORAGE_AGENT_BACKFILL_KIB_PER_MINUTE"):
        allowance.by_environment({allowance.VARIABLE: told})


# --- six hours, by the agent's own decisions and store, on a clock of the test's


class Device:
    """The parts that decide, with a line of so many bytes a second that both lanes share."""

    def __init__(self, folder, line_bytes_per_s: float) -> None:
        self.store = Store(str(folder), boot_id="b")
        self.store._db.execute("PRAGMA synchronous=OFF")
        self.state = step.State(interval_s=INTERVAL_S, asks=False)
        self.allowance = Allowance()
        self.line, self.free_at = line_bytes_per_s, 0.0
        self.online = False
        self.now = 0.0
        self.samples = 0
        self.arriving: list[tuple[float, str, object]] = []
        self.live: list[tuple[float, float]] = []
        self.past: list[tuple[float, int]] = []
        self.rows: list[str] = []

    def at(self) -> Instant:
        return Instant(1e9 + self.now, self.now)

    def pass_time(self, seconds: float) -> None:
        ends = self.now + seconds
        while self.now < ends:
            self.now += 0.5
            for one in [one for one in self.arriving if one[0] <= self.now]:
                self.arriving.remove(one)
                self.answered(one[1], one[2])
            self.heed(self.tick())

    def tick(self) -> step.Tick:
        may = self.allowance.allows(self.now)
        waiting = {LIVE: self.store.waits(LIVE), BACKFILL: may and self.store.waits(BACKFILL)}
        backlog = may and self.store.has_rows_before(self.now - PAST_S)
        return step.Tick(self.now, waiting, backlog=backlog, settled_revision=0)

    def heed(self, message) -> None:
        self.state, effects = step.step(self.state, message)
        for effect in effects:
            if isinstance(effect, step.Measure):
                self.measure()
            elif isinstance(effect, step.Compose):
                past_before = self.now - PAST_S
                head = {"sent_at": self.now}
                self.send(
                    effect.lane,
                    self.store.compose(effect.lane, head, self.at(), past_before=past_before),
                )
            elif isinstance(effect, step.Send):
                self.send(effect.lane, self.store.first_waiting(effect.lane))

    def measure(self) -> None:
        self.samples += 1
        lines = [
            ("logs", self.at(), {"message": f"{self.samples}/{n} " + "x" * 900}) for n in range(10)
        ]
        self.store.add([("telemetry", self.at(), {"cpu_percent": self.samples}), *lines])

    def send(self, lane, waiting) -> None:
        size = len(waiting.body)
        if lane == BACKFILL:
            self.allowance.spend(self.now, size)
            self.past.append((self.now, size))
        # What is being sent holds up what follows: there is one line.
        self.free_at = max(self.free_at, self.now) + size / self.line
        self.arriving.append((self.free_at + 0.3 if self.online else self.now + 10, lane, waiting))

    def answered(self, lane, waiting) -> None:
        if not self.online:
            self.heed(step.Failed(lane, self.now, "no network", random.Random(self.now).random()))
            return
        report = json.loads(waiting.body)
        if lane == LIVE:
            self.live.append((report["sent_at"], self.now))
        self.rows += [row["message"] for row in report.get("logs", ())]
        self.store.acknowledge(waiting, self.at())
        self.heed(step.Acknowledged(lane, self.now, INTERVAL_S))


@pytest.fixture
def device(tmp_path):
    # A line that carries the allowance and little more.
    made = Device(tmp_path, line_bytes_per_s=128 * 1024)
    yield made
    made.store.close()


def test_after_six_hours_offline_the_present_is_on_time_while_the_past_drains(device):
    device.pass_time(6 * HOUR)
    offline = device.samples
    assert offline == 6 * HOUR / INTERVAL_S + 1
    device.online = True
    device.pass_time(30 * 60)
    # The first of them was made when the network went; then one each interval, and soon there.
    since = [(made, came) for made, came in device.live if made > 6 * HOUR]
    gaps = [later[0] - earlier[0] for earlier, later in itertools.pairwise(since)]
    assert len(since) >= 30 * 60 / INTERVAL_S - 3
    assert max(gaps) <= INTERVAL_S + 1
    assert max(came - made for made, came in since) < INTERVAL_S / 3
    # All of it is there, each line once.
    assert not device.store.has_rows_before(device.now - PAST_S - 1)
    assert len(device.rows) == len(set(device.rows))
    assert len(device.rows) >= 10 * offline
    # Bounded reports, and never more than the allowance in any minute.
    online = [one for one in device.past if one[0] >= 6 * HOUR]
    assert len(online) >= 12
    for begins, _ in online:
        minute = [size for at, size in online if begins <= at < begins + 60]
        assert sum(minute[:-1]) <= 4 * 1024 * 1024


def test_the_past_rests_while_the_network_is_away(device):
    """What cannot be delivered is not tried more often than the allowance has it either."""
    device.pass_time(2 * HOUR)
    assert len(device.past) <= 2 * HOUR / 20


# --- the loop keeps to it


def test_an_agent_sends_the_past_no_faster_than_its_owner_allows(server, folder, monkeypatch):
    monkeypatch.setattr(loop.random, "random", lambda: 0.0)
    monkeypatch.setattr(loop, "_WAKE_EVERY_S", 0.02)
    monkeypatch.setattr(loop, "_FIRST_AFTER_S", 0.05)
    monkeypatch.setattr(step, "SHORTEST_INTERVAL_S", 0.2)
    server.interval_s = 0.2
    kib = 30_000  # half a MiB a second: two reports of the past in three seconds
    monkeypatch.setenv(allowance.VARIABLE, str(kib))
    store = Store(str(folder), boot_id="before")
    long_ago = Instant(time.time() - 5000, 1.0)
    line = {"service": "x", "message": "y" * 900}
    store.add([("logs", long_ago, {**line, "n": n}) for n in range(2000)])
    store.close()
    began = time.monotonic()
    seen = []

    def past():
        return [a for a in server.attempts if a.report.get("backfill")]

    def drained():
        if len(past()) > len(seen):
            seen.append((time.monotonic(), len(server.accepted)))
        return sum(len(a.report["logs"]) for a in past()) >= 2000

    run(folder, server, drained, within_s=60)
    sizes = [len(a.raw) for a in past()]
    assert len(sizes) >= 4
    # The last is sent only when all before it are paid for.
    assert sum(sizes[:-1]) <= (seen[-1][0] - began) * kib * 1024 / 60
    # Between any two reports of the past the present was told.
    live = [not report.get("backfill") for report in server.accepted]
    assert sum(live) > len(sizes)
