"""What is away for hours or days: collected meanwhile, tried with sense, and delivered once."""

import random
import socket
import sqlite3

import pytest

from agent.fake_server import FakeServer
from agent.kit import enrolled, run
from agent.network import Authority
from moorage_agent import addresses, loop, step
from moorage_agent.messages import BACKFILL, CONTROL, LIVE
from moorage_agent.store import Store
from moorage_agent.transport import Transport

DAY = 24 * 3600.0
INTERVAL_S = 30.0


# --- days, by decisions alone


class Days:
    """An agent's decisions over days, with a server that answers each request in the same way."""

    def __init__(self, answer) -> None:
        self.state = step.State(interval_s=INTERVAL_S)
        self.answer, self.now = answer, 0.0
        self.luck = random.Random(7)
        self.samples: list[float] = []
        self.tries: dict[str, list[float]] = {LIVE: [], BACKFILL: [], CONTROL: []}
        self.notes: list[step.Note] = []
        self.stopped = False
        self.waiting = {LIVE: False, BACKFILL: False}

    def pass_time(self, seconds: float) -> None:
        """Go from one moment at which something is due to the next."""
        ends = self.now + seconds
        while self.now < ends:
            due = [self.state.next_report_at]
            due += [
                one.not_before for one in self.state.lanes.values() if one.not_before > self.now
            ]
            self.now = max(min(due), self.now + 0.5)
            self.heed(step.Tick(self.now, dict(self.waiting), backlog=True, settled_revision=1))

    def heed(self, message) -> None:
        self.state, effects = step.step(self.state, message)
        for effect in effects:
            if isinstance(effect, step.Measure):
                self.samples.append(self.now)
            elif isinstance(effect, step.Note):
                self.notes.append(effect)
            elif isinstance(effect, step.Stop):
                self.stopped = True
            elif isinstance(effect, step.Send | step.Compose):
                self.waiting[effect.lane] = True
                self.tries[effect.lane].append(self.now)
                self.heed(self.answer(self, effect.lane))
            elif isinstance(effect, step.Wait):
                self.tries[CONTROL].append(self.now)
                self.heed(self.answer(self, CONTROL))

    def settle(self, lane: str) -> None:
        self.waiting[lane] = False


def in_trouble(days, lane):
    return step.Failed(lane, days.now, "the server answered 503", days.luck.random())


def refusing(days, lane):
    return step.KeyRefused(lane, days.now, days.luck.random())


def well(days, lane):
    if lane == CONTROL:
        return step.Told(days.now, 1, (), fresh=False)
    days.settle(lane)
    return step.Acknowledged(lane, days.now, INTERVAL_S, revision=1)


@pytest.mark.parametrize(
    ("answer", "at_most_an_hour", "at_least_a_day"),
    [(in_trouble, 3600, 24 * 60), (refusing, 8, 24)],
)
def test_days_of_refusals_are_tried_with_sense_while_samples_go_on(
    answer, at_most_an_hour, at_least_a_day
):
    days = Days(answer)
    days.pass_time(3 * DAY)
    assert not days.stopped
    assert len(days.samples) == pytest.approx(3 * DAY / INTERVAL_S, abs=2)
    for lane in (LIVE, BACKFILL):
        tries = days.tries[lane]
        for hour in range(72):
            within = [at for at in tries if hour * 3600 <= at < (hour + 1) * 3600]
            assert len(within) <= at_most_an_hour
        last = [at for at in tries if at >= 2 * DAY]
        assert len(last) >= at_least_a_day
        # Once the pauses are at their longest: hourly at most for a key, and about two a minute.
        assert len(last) <= (49 if answer is refusing else 4 * 24 * 60)
    # Said once for each lane, and not with each try.
    assert len(days.notes) <= 2
    days.answer = well
    days.pass_time(3700)
    assert [note.text for note in days.notes].count("the server answers again") >= 1
    assert not days.waiting[LIVE]
    assert days.state.lanes[LIVE] == step.Lane()


# --- a while, by the loop and real connections


@pytest.fixture
def _in_haste(monkeypatch):
    monkeypatch.setattr(loop.random, "random", lambda: 0.0)
    monkeypatch.setattr(loop, "_WAKE_EVERY_S", 0.02)
    monkeypatch.setattr(loop, "_FIRST_AFTER_S", 0.05)
    monkeypatch.setattr(step, "SHORTEST_INTERVAL_S", 0.1)
    monkeypatch.setattr(step, "FIRST_PAUSE_S", 0.05)


def samples_waiting(folder):
    with sqlite3.connect(folder / "agent.db") as db:
        found = db.execute("SELECT COUNT(*) FROM rows WHERE part = 'telemetry'").fetchone()
    return found[0]


def last_error(folder):
    store = Store(str(folder), boot_id="boot")
    try:
        return store.get("last_error")
    finally:
        store.close()


def everything_arrived_once(server):
    assert not server.broken
    ids = [report["id"] for report in server.accepted]
    assert len(ids) == len(set(ids))
    times = [row["at"] for row in server.rows("telemetry")]
    assert len(times) == len(set(times))


@pytest.mark.usefixtures("_in_haste")
def test_a_dns_that_is_gone_for_a_while_is_named_and_costs_nothing(server, folder, monkeypatch):
    server.interval_s = 0.1
    real, gone = socket.getaddrinfo, [True]

    def dns(host, port, **how):
        if host != "fleet.lan":
            return real(host, port, **how)
        if gone[0]:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return real("127.0.0.1", port, **how)

    monkeypatch.setattr(addresses.socket, "getaddrinfo", dns)

    def transport():
        return Transport(f"http://fleet.lan:{server.port}")

    run(folder, server, lambda: samples_waiting(folder) >= 3, transport=transport)
    assert "fleet.lan cannot be resolved" in last_error(folder)
    assert not server.attempts
    gone[0] = False
    run(folder, server, lambda: len(server.rows("telemetry")) >= 5, transport=transport)
    everything_arrived_once(server)
    assert last_error(folder) is None


@pytest.mark.usefixtures("_in_haste")
def test_a_certificate_that_ran_out_and_was_renewed_costs_nothing(tmp_path):
    authority = Authority(tmp_path)
    server = FakeServer(authority.context("127.0.0.1"), interval_s=0.1)
    folder = tmp_path / "agent"

    def transport():
        return Transport(server.url, ca_pem=authority.pem)

    try:
        enrolled(folder, server, transport=transport())
        run(folder, server, lambda: len(server.accepted) >= 2, transport=transport)
    finally:
        server.close()
    expired = authority.context("127.0.0.1", begins_in_days=-40, lives_days=30)
    before = FakeServer(expired, port=server.port)
    try:
        run(folder, before, lambda: samples_waiting(folder) >= 3, transport=transport)
        assert "has expired" in last_error(folder)
        assert before.paths == []
    finally:
        before.close()
    renewed = FakeServer(authority.context("127.0.0.1"), interval_s=0.1, port=server.port)
    renewed.remember(server)
    try:
        wanted = len(server.rows("telemetry")) + 4
        run(folder, renewed, lambda: len(renewed.rows("telemetry")) >= wanted, transport=transport)
        everything_arrived_once(renewed)
    finally:
        renewed.close()
