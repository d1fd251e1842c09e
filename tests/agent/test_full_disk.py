"""A disk that takes nothing: the device stays online, and goes on where it was."""

import sqlite3
from contextlib import closing

import pytest

from agent.kit import run
from moorage_agent import database, loop, reporter, step


@pytest.fixture(autouse=True)
def _in_haste(monkeypatch, server):
    monkeypatch.setattr(loop.random, "random", lambda: 0.0)
    monkeypatch.setattr(loop, "_WAKE_EVERY_S", 0.02)
    monkeypatch.setattr(loop, "_FIRST_AFTER_S", 0.05)
    monkeypatch.setattr(step, "SHORTEST_INTERVAL_S", 0.1)
    monkeypatch.setattr(reporter, "REPEAT_EVERY_S", 0.2)
    connect = sqlite3.connect

    def impatient(path, *, timeout, **how):
        return connect(path, timeout=0.02 if timeout == 10 else timeout, **how)

    monkeypatch.setattr(database.sqlite3, "connect", impatient)
    server.interval_s = 0.1


def repeats(server) -> int:
    ids = [attempt.report["id"] for attempt in server.attempts]
    return len(ids) - len(set(ids))


def test_what_arrived_last_is_sent_again_as_a_sign_of_life_while_nothing_can_be_written(
    server, folder
):
    how = {"check_same_thread": False, "isolation_level": None, "timeout": 60}
    writer = sqlite3.connect(folder / "agent.db", **how)
    accepted = []

    def goes_on():
        if len(server.accepted) < 2:
            return False
        if not accepted:
            # Who writes keeps all others from it.
            writer.execute("BEGIN IMMEDIATE")
            accepted.append(len(server.accepted))
        if repeats(server) >= 3 and writer.in_transaction:
            accepted.append(len(server.accepted))
            writer.execute("ROLLBACK")
        return not writer.in_transaction and len(server.accepted) >= accepted[-1] + 2

    with closing(writer):
        run(folder, server, goes_on)
    assert server.broken == []
    ids = [report["id"] for report in server.accepted]
    assert len(ids) == len(set(ids)), "none was stored again"
    times = [sample["at"] for sample in server.rows("telemetry")]
    assert len(times) == len(set(times))
