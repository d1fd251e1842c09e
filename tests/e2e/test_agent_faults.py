"""The real agent as a process: killed at any moment, on a disk that is full, and in between.

The far side is a server that checks every chain by itself and remembers all it was sent.
"""

import os
import random
import resource
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from agent.fake_server import LOST, UNHEARD, FakeServer, problem
from agent.kit import token
from support.agent import AgentProcess

pytestmark = pytest.mark.timeout(240)

WITHIN_S = 90
KILLS_EACH = 8
DEVICES = 4


def until(holds: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        found = holds()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited in vain until {what}")


class Device:
    """An agent, enrolled with a server of its own."""

    def __init__(self, folder: Path, *, store: Path | None = None) -> None:
        self.server = FakeServer(interval_s=1)
        self.agent = AgentProcess(store or folder / "agent")
        done = self.agent.enrol(self.server.url, token())
        assert done.returncode == 0, done.stderr

    def close(self) -> None:
        self.agent.kill()
        self.server.close()

    def log(self) -> str:
        return self.agent.log.read_text() if self.agent.log.exists() else ""


@pytest.fixture
def devices(tmp_path):
    """Make devices; end them with the test."""
    made: list[Device] = []

    def one(name: str = "device", *, store: Path | None = None) -> Device:
        (tmp_path / name).mkdir()
        made.append(Device(tmp_path / name, store=store))
        return made[-1]

    yield one
    for device in made:
        device.close()


# --- killed


def kill_again_and_again(device: Device, seed: int) -> None:
    """Kill it by a schedule, while its server loses answers and is in trouble by another one."""
    schedule = random.Random(seed)
    troubles = random.Random(seed + 1000)
    answers = (None, None, None, LOST, UNHEARD, problem(503, "busy"))
    device.server.reply = lambda _attempt: troubles.choice(answers)
    for _ in range(KILLS_EACH):
        before = starts(device)
        device.agent.start()
        if schedule.random() < 0.8:
            # Machines are slow at times, and most moments that count come after this one.
            until(lambda before=before: starts(device) > before, "it started")
        time.sleep(schedule.uniform(0.0, 2.2))
        device.agent.kill()
    device.server.reply = lambda _attempt: None


def starts(device: Device) -> int:
    return device.log().count(" started on ")


def test_agents_killed_at_any_moment_deliver_each_report_they_made_exactly_once(devices):
    made = [devices(f"device-{number}") for number in range(DEVICES)]
    with ThreadPoolExecutor(DEVICES) as pool:
        list(pool.map(kill_again_and_again, made, range(DEVICES)))
    for device in made:
        until(lambda d=device: d.agent.command("run", "--once").returncode == 0, "it is delivered")
        balance(device)
    # It would prove little if none of them had come as far as to report.
    assert sum(len(device.server.accepted) for device in made) >= DEVICES * 3


def balance(device: Device) -> None:
    server, bodies = device.server, device.agent.bodies()
    assert not server.broken, "a chain had a gap or a branch"
    assert sorted(body["id"] for body in bodies) == sorted(one["id"] for one in server.accepted)
    for part, name in (("events", "id"), ("telemetry", "at")):
        rows = [row[name] for row in server.rows(part)]
        assert len(rows) == len(set(rows)), f"{part} arrived twice"
    with sqlite3.connect(device.agent.folder / "agent.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        waiting = db.execute("SELECT COUNT(*) FROM rows WHERE body LIKE '%agent.started%'")
        left = waiting.fetchone()[0]
    started = [row for row in server.rows("events") if row["event"] == "agent.started"]
    # Each start is said first and noted then, so none can be noted twice or out of nothing; the
    # last, to deliver the rest, was said elsewhere.
    assert len(started) + left <= starts(device) + 1


# --- a disk that is full


@pytest.fixture
def small_disk(tmp_path):
    """A file system of three megabytes, where this machine lets us have one."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small file system")
    options = ["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(place)]
    done = subprocess.run(options, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    yield place
    # Not in use any more by the time that the devices are closed; lazily, should it be.
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(place: Path) -> Path:
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 512, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return filler


def goes_on(device: Device, pid: int, broken_off: int) -> None:
    """It says that it can write again, the same process; and all is there, each once."""
    until(lambda: "can be written again" in device.log(), "the store can be written again")
    until(lambda: len(device.server.accepted) >= broken_off + 3, "reports go on")
    assert device.agent.pid == pid
    assert device.agent.stop() == 0
    assert device.agent.command("run", "--once").returncode == 0
    balance(device)
    lines = [row["message"] for row in device.server.rows("logs")]
    assert any("the store cannot be used" in line for line in lines)


def test_a_full_disk_is_waited_out_and_costs_nothing_that_was_made(small_disk, devices):
    device = devices(store=small_disk / "agent")
    device.agent.log = small_disk.parent / "agent.log"
    device.agent.start()
    pid = device.agent.pid
    until(lambda: len(device.server.accepted) >= 2, "it reports")
    filler = fill(small_disk)
    until(lambda: "the store cannot be used" in device.log(), "it says that the disk is full")
    time.sleep(2)
    broken_off = len(device.server.accepted)
    filler.unlink()
    goes_on(device, pid, broken_off)


def test_a_file_that_may_not_grow_is_waited_out_too(devices):
    """As by a quota, without root."""
    device = devices()
    device.agent.start()
    pid = device.agent.pid
    until(lambda: len(device.server.accepted) >= 2, "it reports")
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (8192, hard))
    until(lambda: "the store cannot be used" in device.log(), "it says that it cannot write")
    time.sleep(2)
    broken_off = len(device.server.accepted)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
    goes_on(device, pid, broken_off)
