"""A store whose file the disk has damaged: the same device goes on with a new one, and says so."""

import json
import os
import random
import re
import sqlite3

import pytest

from agent.fake_server import FakeServer
from agent.kit import token
from moorage_agent import cli, clock, identity, opening
from moorage_agent.database import FILE
from moorage_agent.store import Store
from support.agent import AgentProcess
from support.streams import until

PAGE = 4096
# For the beginning of a row: two that make it none, and one that leaves it one.
GARBAGE = (b"no", b'{"\xff\x00', b'{"message": "\xff\xfe')


@pytest.fixture(autouse=True)
def _no_agent_is_left():
    yield
    for agent in list(AgentProcess.running):
        agent.kill()


@pytest.fixture
def device(tmp_path):
    """An enrolled agent with much to tell of an earlier boot, and its server."""
    server = FakeServer(interval_s=1)
    agent = AgentProcess(tmp_path / "agent")
    assert agent.enrol(server.url, token()).returncode == 0
    store = Store(str(agent.folder), boot_id="an earlier boot")
    at = clock.Instant(wall=1_700_000_000.0, steady=50.0)
    store.add(("logs", at, {"message": "x" * 900, "service": "s"}) for _ in range(4000))
    store.close()
    yield agent, server
    server.close()


def overwrite(path, *, first: int, last: int | None = None) -> None:
    """Have garbage stand in some of a file's pages, which are counted from 0; the last: to."""
    garbage = random.Random(7)
    pages = path.stat().st_size // PAGE
    with path.open("r+b") as file:
        for page in range(first, min(pages, last or pages)):
            file.seek(page * PAGE)
            file.write(garbage.randbytes(PAGE))


def asides(folder) -> list[str]:
    found = sorted(one.name for one in folder.iterdir() if ".damaged-" in one.name)
    return [name for name in found if not name.endswith("-wal")]


def told(server) -> list[dict]:
    return [one for one in server.rows("events") if one["event"] == "agent.store_damaged"]


def identity_of(folder) -> dict[str, str]:
    return json.loads((folder / identity.FILE).read_text())


@pytest.mark.parametrize(
    ("first", "last"), [(0, 1), (1, None), (300, None)], ids=["the head", "all else", "a part"]
)
def test_a_damaged_store_is_set_aside_and_the_device_goes_on_in_a_new_epoch(device, first, last):
    agent, server = device
    assert agent.command("run", "--once").returncode == 0
    before, key = {one["epoch"] for one in server.accepted}, identity_of(agent.folder)["key"]
    overwrite(agent.folder / FILE, first=first, last=last)
    agent.start()
    (event,) = until(lambda: told(server))
    assert agent.stop() == 0
    assert server.accepted[-1]["epoch"] not in before
    assert event["metadata"]["lost"] == "unknown"
    assert event["metadata"]["reason"] in event["description"]
    assert asides(agent.folder) == [event["metadata"]["kept_as"]]
    assert (agent.folder / event["metadata"]["kept_as"]).stat().st_mode & 0o077 == 0
    assert identity_of(agent.folder)["key"] == key
    assert {one.headers["Authorization"] for one in server.attempts} == {f"Bearer {key}"}


def test_damage_that_shows_while_the_agent_runs_does_not_end_it(device):
    agent, server = device
    damaged = []

    def damage(_attempt):
        if not damaged:
            damaged.append(True)
            overwrite(agent.folder / FILE, first=20)

    server.reply = damage
    agent.start()
    pid = agent.pid
    until(lambda: told(server))
    assert agent.pid == pid
    assert agent.stop() == 0


def test_rows_that_the_disk_has_mangled_are_counted_and_hold_up_none(device):
    """Within a page, where the database cannot see it."""
    agent, server = device
    file = agent.folder / FILE
    rows = [one.start() for one in re.finditer(b'{"message": "xxx', file.read_bytes())]
    with file.open("r+b") as damaged:
        for place, garbage in zip(rows, GARBAGE, strict=False):
            damaged.seek(place)
            damaged.write(garbage)
    agent.start()
    dropped = until(lambda: [one["dropped"] for one in server.accepted if "dropped" in one])
    assert agent.stop() == 0
    assert [one["logs"] for one in dropped] == [2]
    assert any("\ufffd\ufffdx" in one["message"] for one in server.rows("logs"))
    assert told(server) == []


def test_only_the_latest_of_the_damaged_stores_is_kept(folder):
    for number in range(2):
        overwrite(folder / FILE, first=0)
        opening.opened(str(folder), "boot").close()
        (aside,) = asides(folder)
        (folder / aside).rename(folder / f"{FILE}.damaged-2020010{number}T000000Z")
    store = opening.opened(str(folder), "boot")
    assert store.get("key") is not None
    store.close()
    assert len(asides(folder)) == 1


@pytest.mark.parametrize("renamed", [False, True])
def test_a_power_cut_while_it_is_set_aside_costs_no_identity(folder, monkeypatch, renamed):
    overwrite(folder / FILE, first=1)
    rename, cut = os.rename, []

    def cut_short(one, other):
        if other.endswith(FILE) or not renamed:
            cut.append(one)
            raise KeyboardInterrupt
        rename(one, other)

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", cut_short)
        with pytest.raises(KeyboardInterrupt):
            opening.opened(str(folder), "boot")
    assert cut
    store = opening.opened(str(folder), "boot")
    assert store.get("key") == identity_of(folder)["key"]
    assert store._outbox.count() == 1, "and that is the event"
    store.close()


def test_a_file_that_a_power_cut_left_empty_is_no_new_device(folder):
    (folder / FILE).write_bytes(b"")
    store = opening.opened(str(folder), "boot")
    assert store.get("key") == identity_of(folder)["key"]
    store.close()


def test_a_store_that_an_agent_runs_with_is_not_replaced_by_another_command(folder, capsys):
    overwrite(folder / FILE, first=0)
    content = (folder / FILE).read_bytes()
    held = opening.lock(str(folder))
    assert cli.main(["status", "--dir", str(folder)]) == 1
    held.close()
    assert "another agent is running" in capsys.readouterr().err
    assert (folder / FILE).read_bytes() == content
    assert asides(folder) == []


def test_where_nothing_says_who_it_is_the_device_is_to_be_enrolled_anew(folder, capsys):
    (folder / identity.FILE).write_text('{"key": "adk_mangled", "server": "http://x"}')
    overwrite(folder / FILE, first=0)
    assert cli.main(["run", "--once", "--dir", str(folder)]) == 1
    assert "not enrolled yet" in capsys.readouterr().err
    assert len(asides(folder)) == 1


def test_a_disk_that_is_full_or_busy_is_no_damage(folder):
    store = Store(str(folder), boot_id="boot")
    store._db.execute("PRAGMA query_only=1")
    with pytest.raises(sqlite3.OperationalError) as refused:
        store.put(a="b")
    store.close()
    assert not opening.is_damage(refused.value)
    assert asides(folder) == []
