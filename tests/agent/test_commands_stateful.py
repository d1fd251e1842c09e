"""No order of messages, crashes and restarts runs a command twice or loses its result.

The real loop and the real store, with neither threads nor sockets: the machine carries requests
and answers, loses them, and kills the agent at any commit, before it or just after.
"""

import itertools
import json
import sqlite3
import tempfile
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from moorage_agent import clock, loop
from moorage_agent.logs import Collector
from moorage_agent.results import Outcome
from moorage_agent.step import CONTROL, LANES, LIVE
from moorage_agent.store import Store
from moorage_agent.transport import Answer, Unreachable

DOCUMENT = {"config": {}, "services": {}, "streams": {}}
# sha256 over '{"config":{},"services":{},"streams":{}}'
DIGEST = "sha256:06cdc2bac8a0efe2fcc5d5de46b6a7b7bf87567521bdba94cd45561b704ea1d5"
LANE = st.sampled_from(LANES)


class Killed(BaseException):
    """The power went."""


class DyingConnection:
    """A connection whose process dies at the n-th commit, before it or after."""

    def __init__(self, real: sqlite3.Connection) -> None:
        self._real = real
        self.commits_left: int | None = None
        self.after = False

    def __getattr__(self, name):
        return getattr(self._real, name)

    def execute(self, sql, *values):
        if sql != "COMMIT" or self.commits_left is None:
            return self._real.execute(sql, *values)
        self.commits_left -= 1
        if self.commits_left > 0:
            return self._real.execute(sql, *values)
        if self.after:
            self._real.execute(sql, *values)
        raise Killed


class NoTransport:
    local_address = None


class Commands(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.steady = 1000.0
        self.patches = [
            mock.patch.object(clock, "now", self.now),
            mock.patch.object(loop.random, "random", return_value=0.5),
            # Processes killed here would leave their watchers behind.
            mock.patch.object(loop.local, "drivers", return_value=[]),
        ]
        for patch in self.patches:
            patch.start()
        # What the server knows.
        self.asked: dict[str, str] = {}
        self.open: dict[str, str] = {}
        self.results: dict[str, list[str]] = {}
        self.seen: set[str] = set()
        self.marks: list[str] = []
        self.refusals = 0
        # How often a process ended for the sake of a command.
        self.restarts: dict[str, int] = {}
        self.begin()

    def now(self) -> clock.Instant:
        return clock.Instant(1e9 + self.steady, self.steady)

    # --- the agent's processes

    def begin(self) -> None:
        self.requests = {}
        self.store = Store(self.folder.name, boot_id="boot")
        self.connection = DyingConnection(self.store._db._db)
        self.store._db._db = self.connection
        # The process dies here, not the machine: there is no need to wait for the disk.
        self.connection.execute("PRAGMA synchronous=OFF")
        self.agent = loop.Agent(
            self.store, self.folder.name, Collector(), boot_id="boot", transport=NoTransport
        )
        self.store.put(server="http://server", key="adk_x")
        self.agent._lanes.joined()
        for lane, sender in self.agent._lanes._senders.items():
            sender.send = lambda request, lane=lane: self.requests.update({lane: request})
        self.agent._runner._kinds["mark"] = self.mark
        self.alive(self.agent._begin)

    def mark(self, arguments):
        """Leave something behind that can be counted."""
        row = {"service": "test", "severity": "info", "message": f"mark {arguments['id']}"}
        return Outcome({"done": arguments["id"]}), [("logs", clock.now(), row)], lambda: None

    def alive(self, work) -> None:
        """Do something in the agent's process, which may die of it or ask to be restarted."""
        try:
            work()
        except Killed:
            self.end()
        else:
            if self.agent.restart_asked:
                for command_id, _ in self.store.results.begun():
                    self.restarts[command_id] = self.restarts.get(command_id, 0) + 1
                self.end()

    def end(self) -> None:
        self.connection.commits_left = None
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")
        self.store.close()
        self.begin()

    # --- the server

    def answer(self, request) -> Answer:
        commands = [
            {"id": command_id, "kind": kind, "arguments": {"id": command_id}}
            for command_id, kind in self.open.items()
        ]
        told = {"config_revision": 1, "commands": commands}
        if request.path == "/v1/config":
            told = {"revision": 1, "digest": DIGEST, "document": DOCUMENT}
        elif request.path == "/v1/reports":
            report = json.loads(request.body)
            self.take(report)
            told["chain"] = request.about.chain
            told["commands"] = [] if report.get("backfill") else self.still_open(commands)
        return Answer(200, told, None)

    def still_open(self, commands):
        return [command for command in commands if command["id"] in self.open]

    def take(self, report) -> None:
        if report["id"] in self.seen:
            return
        self.seen.add(report["id"])
        for result in report.get("commands", ()):
            self.results.setdefault(result["id"], []).append(result["state"])
            self.open.pop(result["id"], None)
        self.marks += marks_in(report)

    # --- what happens

    @rule(kind=st.sampled_from(["mark", "ping", "restart_agent", "dance"]))
    def ask(self, kind) -> None:
        command_id = f"cmd_{len(self.asked)}"
        self.asked[command_id] = self.open[command_id] = kind

    @rule(seconds=st.sampled_from([0.1, 1.0, 31.0, 300.0]))
    def time_passes(self, seconds) -> None:
        self.steady += seconds
        self.alive(lambda: self.agent._heed(self.agent._tick()))

    @rule(lane=LANE)
    def an_answer_arrives(self, lane) -> None:
        request = self.requests.pop(lane, None)
        if request is not None:
            self.hear(lane, request, self.answer(request))

    @rule()
    def all_goes_well_for_a_while(self) -> None:
        for _ in range(4):
            for lane in LANES:
                self.an_answer_arrives(lane)
            self.time_passes(1.0)

    @rule(lane=LANE)
    def a_request_is_lost(self, lane) -> None:
        request = self.requests.pop(lane, None)
        if request is not None:
            self.hear(lane, request, Unreachable("lost"))

    @rule(lane=LANE)
    def an_answer_is_lost(self, lane) -> None:
        request = self.requests.pop(lane, None)
        if request is not None:
            self.answer(request)
            self.hear(lane, request, Unreachable("lost"))

    @precondition(lambda self: LIVE in self.requests)
    @rule()
    def a_report_is_refused(self) -> None:
        request = self.requests[LIVE]
        if json.loads(request.body)["id"] not in self.seen:
            del self.requests[LIVE]
            self.refusals += "commands" in json.loads(request.body)
            self.hear(LIVE, request, Answer(422, {"code": "bad"}, None))

    def hear(self, lane, request, outcome) -> None:
        self.alive(lambda: self.agent._heed(self.agent._message(lane, request.about, outcome)))

    @rule()
    def the_power_goes(self) -> None:
        self.end()

    @rule(commits=st.integers(1, 4), after=st.booleans())
    def the_power_will_go(self, commits, after) -> None:
        self.connection.commits_left, self.connection.after = commits, after

    @precondition(lambda self: set(self.results) - set(self.open))
    @rule(data=st.data())
    def the_server_loses_a_result(self, data) -> None:
        finished = sorted(set(self.results) - set(self.open))
        command_id = data.draw(st.sampled_from(finished))
        self.open[command_id] = self.asked[command_id]

    # --- what must hold

    @invariant()
    def nothing_is_done_twice(self) -> None:
        assert len(self.marks) == len(set(self.marks))
        assert all(count == 1 for count in self.restarts.values())

    @invariant()
    def a_result_never_changes(self) -> None:
        assert all(len(set(states)) == 1 for states in self.results.values())

    def teardown(self) -> None:
        self.connection.commits_left = None
        for _ in range(400):
            if not self.open and not self.store.counts()["reports_waiting"]:
                break
            for lane in (*LANES, CONTROL):
                self.an_answer_arrives(lane)
            self.time_passes(31.0)
        self.nothing_is_done_twice()
        left = self.marks_left()
        for command_id, kind in self.asked.items():
            state = self.store.results.state_of(command_id)
            if state == "lost":
                assert self.refusals >= 2
                continue
            assert command_id not in self.open, (command_id, kind, state)
            expected = "failed" if kind == "dance" else "succeeded"
            assert set(self.results[command_id]) == {expected}
            if kind == "mark":
                assert (self.marks + left).count(command_id) == 1
        self.store.close()
        for patch in self.patches:
            patch.stop()
        self.folder.cleanup()

    def marks_left(self) -> list[str]:
        """Marks in reports that the server would not take: kept on the device for people."""
        rows = self.connection.execute("SELECT body FROM set_aside").fetchall()
        return [mark for row in rows for mark in marks_in(json.loads(row[0]))]


def marks_in(report) -> list[str]:
    lines = [row["message"] for row in report.get("logs", ())]
    return [line.removeprefix("mark ") for line in lines if line.startswith("mark ")]


@pytest.mark.parametrize(("commits", "after"), list(itertools.product(range(1, 17), (False, True))))
def test_a_command_is_done_once_at_whichever_commit_the_power_goes(commits, after):
    machine = Commands()
    machine.all_goes_well_for_a_while()
    for kind in ("mark", "restart_agent"):
        machine.ask(kind)
    machine.the_power_will_go(commits, after)
    machine.all_goes_well_for_a_while()
    machine.teardown()


TestCommands = Commands.TestCase
TestCommands.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
