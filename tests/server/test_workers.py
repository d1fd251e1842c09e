"""Several processes behind one port: one that dies is replaced, and all end together."""

import itertools
import json
import os
import signal
import time
from collections.abc import Iterator

import httpx
import psutil
import pytest

from support.server import ServerProcess

WORKERS = 3
WITHIN_S = 60
_numbers = itertools.count(1)


@pytest.fixture
def database(postgres) -> Iterator[str]:
    name = f"workers_{next(_numbers)}"
    postgres.run_sql(f"CREATE DATABASE {name}")
    yield postgres.url(name)
    postgres.run_sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def server(tmp_path, database) -> Iterator[ServerProcess]:
    process = ServerProcess(tmp_path, database=database, env={"MOORAGE_WORKERS": str(WORKERS)})
    process.start()
    yield process
    process.stop()


def until(holds):
    for _ in range(WITHIN_S * 20):
        if found := holds():
            return found
        time.sleep(0.05)
    raise AssertionError("it never came to that")


def workers_of(server) -> list[psutil.Process]:
    return psutil.Process(server.pid).children()


def answering(server) -> set[str]:
    """Which of them answered, of some requests on connections of their own."""
    told = set()
    for _ in range(4 * WORKERS):
        told |= {
            line
            for line in httpx.get(f"{server.base_url}/metrics").text.splitlines()
            if line.startswith("moorage_worker_info{")
        }
    return told


def all_answer(server) -> bool:
    return answering(server) == {
        f'moorage_worker_info{{worker="{number}"}} 1.0' for number in range(1, WORKERS + 1)
    }


def test_one_that_dies_is_replaced_and_nobody_is_turned_away_meanwhile(server):
    until(lambda: all_answer(server))
    before = {worker.pid for worker in workers_of(server)}
    assert len(before) == WORKERS
    lost = workers_of(server)[1]
    lost.kill()
    until(lambda: not psutil.pid_exists(lost.pid))
    while lost.pid in before & {worker.pid for worker in workers_of(server)}:
        assert httpx.get(f"{server.base_url}/readyz").status_code == 200
    assert httpx.get(f"{server.base_url}/readyz").status_code == 200
    until(lambda: len(workers_of(server)) == WORKERS)
    until(lambda: all_answer(server))
    assert len(before & {worker.pid for worker in workers_of(server)}) == WORKERS - 1
    log = [json.loads(line) for line in server.log.read_text().splitlines()]
    ended = [line for line in log if line["event"] == "worker_ended"]
    assert [line["exit_code"] for line in ended] == [-signal.SIGKILL]
    assert {line["worker"] for line in log if "worker" in line} == set(range(1, WORKERS + 1))


def test_told_to_stop_all_end_and_nothing_bad_is_said(server):
    until(lambda: all_answer(server))
    workers = workers_of(server)
    os.kill(server.pid, signal.SIGHUP)  # a terminal that closes is no reason
    assert httpx.get(f"{server.base_url}/readyz").status_code == 200
    assert server.stop() == 0
    assert [worker.pid for worker in workers if worker.is_running()] == []
    log = server.log.read_text()
    assert "Traceback" not in log
    assert '"level": "error"' not in log


def test_without_their_parent_they_end(server):
    until(lambda: all_answer(server))
    workers = workers_of(server)
    server.kill()
    until(lambda: not any(worker.is_running() for worker in workers))


def test_on_sqlite_several_are_refused_with_the_reason(tmp_path):
    server = ServerProcess(tmp_path, env={"MOORAGE_WORKERS": "2"})
    with pytest.raises(RuntimeError, match="several workers need PostgreSQL"):
        server.start()


def test_what_keeps_the_first_from_starting_is_said_and_ends_it(tmp_path, database):
    first = ServerProcess(tmp_path / "a", database=database).start()
    first.stop()
    other_keys = ServerProcess(tmp_path / "b", database=database, env={"MOORAGE_WORKERS": "2"})
    with pytest.raises(RuntimeError, match=r"moorage: .*keys"):
        other_keys.start()
