"""What the store lets go of, in which order, and that each row it took is told or counted."""

import json
import os
import shutil
import sqlite3
import tempfile
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from moorage_agent import bodies, keeping
from moorage_agent.clock import Instant
from moorage_agent.keeping import Keeper
from moorage_agent.messages import BACKFILL, LIVE
from moorage_agent.results import Outcome
from moorage_agent.store import Store

PARTS = ("telemetry", "logs", "events")
BUDGET = 6000
# A store is made for each example; where files cost no disk that takes no time.
IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def row(number: int, text: str = "") -> dict:
    return {"n": number, "text": text}


class Kept(RuleBasedStateMachine):
    """A store with little room, an agent that is killed now and then, and a server that takes,
    refuses or loses reports. Rows have numbers, so each can be found again."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="moorage-store-", dir=IN_MEMORY))
        self.second = 0.0
        self.boot = 0
        self.count = 0
        self.told: Counter[tuple[str, int]] = Counter()
        self.dropped: Counter[str] = Counter()
        self.aside: Counter[str] = Counter()
        self.results = 0
        self.results_told: Counter[str] = Counter()
        self.open()

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)

    def open(self) -> None:
        self.store = Store(str(self.folder), boot_id=f"boot-{self.boot}", waiting_bytes=BUDGET)
        # Nobody pulls the plug of this machine; only the process ends.
        self.store._db.execute("PRAGMA synchronous=OFF")

    def now(self) -> Instant:
        return Instant(1e9 + self.second, self.second)

    def waiting_rows(self) -> dict[str, list[int]]:
        found = self.store._db.execute("SELECT part, body FROM rows ORDER BY id").fetchall()
        rows: dict[str, list[int]] = {part: [] for part in PARTS}
        for part, body in found:
            rows[part].append(json.loads(body)["n"])
        return rows

    def dropped_counts(self) -> Counter[str]:
        """What reports and the store say was let go; what is set aside is not, though they say so.

        Below zero while a report that says so is on its way.
        """
        counts = Counter(self.dropped)
        counts.subtract(self.aside)
        counts.update(json.loads(self.store.get("dropped") or "{}"))
        return counts

    # --- what happens

    @rule(
        batch=st.lists(
            st.tuples(st.sampled_from(PARTS), st.integers(0, 400)), min_size=1, max_size=30
        )
    )
    def gather(self, batch):
        before, counts = self.waiting_rows(), self.dropped_counts()
        rows = []
        for part, length in batch:
            self.second += 1
            self.count += 1
            rows.append((part, self.now(), row(self.count, "x" * length)))
        self.store.add(rows)
        after = self.waiting_rows()
        for part in PARTS:
            all_of_it = before[part] + [one[2]["n"] for one in rows if one[0] == part]
            left = len(after[part])
            # The oldest go, and as many as are counted.
            assert after[part] == (all_of_it[-left:] if left else [])
            assert len(all_of_it) - left == self.dropped_counts()[part] - counts[part]
        lost = self.dropped_counts()
        lost.subtract(counts)
        assert not (lost["logs"] and after["telemetry"]), "logs went while there was telemetry"
        assert not (lost["events"] and after["logs"]), "events went while there were logs"
        assert not (lost["events"] and after["telemetry"]), "events went while there was telemetry"

    @rule(found=st.integers(0, 5000))
    def finish_a_command(self, found):
        """However large it is: results have no budget, and none is let go."""
        self.results += 1
        outcome = Outcome({"found": "y" * found})
        self.store.finish(f"command-{self.results}", "ping", outcome, [])

    @rule(lane=st.sampled_from([LIVE, BACKFILL]), age=st.integers(0, 60))
    def report(self, lane, age):
        if self.store.first_waiting(lane) is None:
            self.second += 1
            # What was refused among other things goes by itself, as the reporter has it.
            alone = lane == LIVE and self.store.results.has_refused()
            only = "commands" if alone else None
            past_before = self.second - age
            self.store.compose(lane, {}, self.now(), past_before=past_before, only=only)

    @rule(lane=st.sampled_from([LIVE, BACKFILL]))
    def take(self, lane):
        """The server has it; its answer may come or not, this counts what is there."""
        waiting = self.store.first_waiting(lane)
        if waiting is not None:
            self.note(json.loads(waiting.body))
            self.store.acknowledge(waiting, self.now())

    @rule(lane=st.sampled_from([LIVE, BACKFILL]))
    def refuse(self, lane):
        waiting = self.store.first_waiting(lane)
        if waiting is None:
            return
        before = json.loads(waiting.body)
        if not self.store.set_aside(waiting, 422, "no", self.now()):
            return
        # What was set aside is told as counts, in the place of the rows.
        for part in PARTS:
            for one in before.get(part, ()):
                self.told[part, one["n"]] += 1
                self.aside[part] += 1

    @rule(at=st.integers(0, 9))
    def have_another_history(self, at):
        self.store.resolve_fork(LIVE, at, "f" * 64)

    @rule(jump=st.integers(-(10**6), 10**6))
    def set_the_clock(self, jump):
        self.store.mend(Instant(1e9 + self.second + jump, self.second))

    @rule(reboots=st.booleans())
    def be_killed(self, reboots):
        self.store.close()
        if reboots:
            self.boot += 1
            self.second = 0.0
        self.open()

    @precondition(lambda self: self.count > 20)
    @rule()
    def deliver_all(self):
        for _ in range(60):
            self.second += 1
            for lane in (BACKFILL, LIVE):
                self.report(lane, 10)
                self.take(lane)
            if not self.store.counts()["rows_waiting"] and not self.store.results.waits():
                break
        dropped = self.dropped_counts()
        # A result that was refused twice is counted as well.
        assert len(self.results_told) + dropped.pop("commands", 0) == self.results
        assert self.count - len(self.told) == dropped.total()

    def note(self, report):
        for part in PARTS:
            for one in report.get(part, ()):
                self.told[part, one["n"]] += 1
        self.dropped.update(report.get("dropped", {}))
        for result in report.get("commands", ()):
            self.results_told[result["id"]] += 1

    # --- what always holds

    @invariant()
    def nothing_is_told_twice(self):
        assert not [one for one, times in self.told.items() if times > 1]

    @invariant()
    def it_keeps_to_its_budget(self):
        size, noted = self.store._db.execute(
            "SELECT COALESCE(SUM(bytes), 0), (SELECT bytes FROM rows_size) FROM rows"
        ).fetchone()
        assert size == noted
        assert size <= BUDGET


Kept.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    # Explaining a failure takes minutes here.
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestEachRowIsToldOrCounted = Kept.TestCase


# --- what stands in no row


def test_a_device_that_is_another_one_from_now_on_owes_no_counts_of_the_one_before(tmp_path):
    store = Store(str(tmp_path), boot_id="b")
    store.count_dropped({"logs": 7})
    store.enrolled(anew=True, key="k")
    report = json.loads(store.compose(LIVE, {}, Instant(1.0, 1.0), past_before=0.0).body)
    store.close()
    assert "dropped" not in report


class Failing:
    """A store on a disk that fails for a while."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.fails = True

    def __getattr__(self, name):
        if self.fails:
            raise sqlite3.OperationalError("database or disk is full")
        return getattr(self._store, name)


def test_what_memory_cannot_hold_while_the_disk_fails_goes_in_the_same_order_counted(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(keeping, "_MOST_UNSAVED", 10)
    store = Store(str(tmp_path), boot_id="b")
    disk = Failing(store)
    keeper = Keeper(disk, lambda _text: None)
    for number in range(8):
        keeper.keep([(part, Instant(1.0, number), row(number)) for part in PARTS])
    disk.fails = False
    keeper.keep([])
    report = json.loads(store.compose(LIVE, {}, Instant(1.0, 9.0), past_before=0.0).body)
    store.close()
    assert [one["n"] for one in report["events"]] == list(range(8))
    assert [one["n"] for one in report["logs"]] == [6, 7]
    assert "telemetry" not in report
    assert report["dropped"] == {"telemetry": 8, "logs": 6}


def test_what_waits_in_memory_is_mended_with_the_rest_when_the_clock_is_set(tmp_path):
    store = Store(str(tmp_path), boot_id="b")
    disk = Failing(store)
    keeper = Keeper(disk, lambda _text: None)
    keeper.watch_clock(Instant(5.0, 5.0))
    keeper.keep([("logs", Instant(6.0, 6.0), row(1))])
    disk.fails = False
    assert keeper.watch_clock(Instant(1e9, 10.0))
    keeper.keep([])
    store.close()
    after_a_reboot = Store(str(tmp_path), boot_id="c")
    report = json.loads(after_a_reboot.compose(BACKFILL, {}, Instant(0, 0), past_before=0).body)
    after_a_reboot.close()
    # 1e9 - 4 s since 1970.
    assert report["logs"][0]["at"] == "2001-09-09T01:46:36.000Z"


def test_a_second_setting_of_the_clock_counts_for_all_that_was_kept_before_it(tmp_path):
    store = Store(str(tmp_path), boot_id="b")
    store.add([("logs", Instant(1.0, 1.0), row(1))])
    store.mend(Instant(500.0, 2.0))
    store.add([("logs", Instant(501.0, 3.0), row(2))])
    store.mend(Instant(1e9 + 4, 4.0))
    store.add([("logs", Instant(2e9, 5.0), row(3))])
    store.close()
    after_a_reboot = Store(str(tmp_path), boot_id="c")
    report = json.loads(after_a_reboot.compose(BACKFILL, {}, Instant(0, 0), past_before=0).body)
    after_a_reboot.close()
    assert [one["at"] for one in report["logs"]] == [
        "2001-09-09T01:46:41.000Z",
        "2001-09-09T01:46:43.000Z",
        "2033-05-18T03:33:20.000Z",
    ]


def test_draining_a_large_backlog_takes_no_more_memory_than_draining_a_small_one(tmp_path):
    store = Store(str(tmp_path), boot_id="b")
    for start in range(0, 12_000, 1000):
        line = row(start, "a line of an ordinary service, of ordinary length. " * 3)
        store.add([("logs", Instant(1e9, float(start + n)), line) for n in range(1000)])
    peaks = []
    tracemalloc.start()
    try:
        while store.has_rows_before(1e9):
            tracemalloc.reset_peak()
            waiting = store.compose(BACKFILL, {}, Instant(2e9, 1e9), past_before=1e9)
            store.acknowledge(waiting, Instant(2e9, 1e9))
            store.tidy(Instant(2e9, 1e9))
            peaks.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
        store.close()
    assert len(peaks) >= 8
    assert max(peaks) < 16 * bodies.MOST_PAST_BYTES
    assert max(peaks[-3:]) < 1.5 * max(peaks[:3])


@pytest.mark.parametrize("part", PARTS)
def test_no_more_is_let_go_than_it_takes(tmp_path, part):
    store = Store(str(tmp_path), boot_id="b", waiting_bytes=10_000)
    store._db.execute("PRAGMA synchronous=OFF")
    for number in range(200):
        store.add([(part, Instant(1.0, number), row(number, "x" * 100))])
    size = store._db.execute("SELECT SUM(bytes), MAX(bytes) FROM rows").fetchone()
    store.close()
    assert 10_000 - size[1] < size[0] <= 10_000
