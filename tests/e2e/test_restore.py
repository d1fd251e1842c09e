"""A real server restored from an older backup, on the other engine, and real agents that go on."""

import json
import os
import sqlite3
from collections import Counter

import pytest

from e2e.fleet import Fleet, until
from support.engines import on_sqlite
from support.places import empty_place
from support.prestarted import prestarted
from support.server import ServerProcess

pytestmark = pytest.mark.timeout(180)


def moorage(*arguments):
    env = {name: value for name, value in os.environ.items() if not name.startswith("MOORAGE_")}
    done = prestarted().run([str(argument) for argument in arguments], env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def options_of(settings):
    database = [] if settings.database is None else ["--database", settings.database_url]
    return ["--data", settings.data, "--keys-dir", settings.keys_dir, *database, "--json"]


class Moved:
    """A fleet whose server ran on one engine, was backed up, and comes back on the other."""

    def __init__(self, folder, before, after):
        self.folder = folder
        self.before, self.after = before, after
        self.passphrase = folder / "passphrase"
        self.passphrase.write_text("several words that nobody guesses\n")
        self.fleet = Fleet.__new__(Fleet)
        self.fleet.folder = folder
        self.fleet.server = self._server(before).start()
        self.fleet.key = self.fleet.server.bootstrap()["api_key"]

    def _server(self, settings):
        database = None if settings.database is None else settings.database_url
        return ServerProcess(settings.data.parent, database=database)

    def back_up(self):
        sealed = ("--with-keys", "--passphrase-file", self.passphrase)
        return moorage("backup", self.folder / "night", *sealed, *options_of(self.before))

    def restore(self):
        """The server of before is gone; another has its address, its keys and its last backup."""
        self.fleet.server.stop()
        sealed = ("--with-keys", "--passphrase-file", self.passphrase)
        done = moorage("restore", self.folder / "night", *sealed, *options_of(self.after))
        gone, self.fleet.server = self.fleet.server, self._server(self.after)
        self.fleet.server.port, self.fleet.server.base_url = gone.port, gone.base_url
        self.fleet.server.start()
        return done


@pytest.fixture
def moved(engine, postgres, tmp_path):
    other = "postgresql" if engine == "sqlite" else "sqlite"
    places = []
    for name, kind in (("before", engine), ("after", other)):
        folder = tmp_path / name
        keys = folder / ("keys" if kind == "postgresql" else "data/keys")
        places.append(empty_place(kind, folder, postgres, keys))
    with places[0] as before, places[1] as after:
        made = Moved(tmp_path, before, after)
        yield made
        made.fleet.server.stop()


def told_by(agent, part, name):
    """What the agent's disk still holds of a part, each row as often as it was told."""
    return Counter(row[name] for body in agent.bodies() for row in body.get(part, ()))


def stored(fleet, device_id, kind, name):
    rows = fleet.rows(device_id, kind)
    return Counter(row[name] for row in rows if row.get("event", "agent.")[:6] == "agent.")


def live_of(agent, sql):
    """One value of the agent's store."""
    with sqlite3.connect(agent.folder / "agent.db") as store:
        return store.execute(sql).fetchone()[0]


def ends(fleet, agent):
    agent.stop()
    until(lambda: agent.command("run", "--once").returncode == 0, "the rest is delivered")
    assert agent.status()["reports_waiting"] == 0


def test_what_was_acknowledged_after_the_backup_arrives_again_and_once(moved):
    fleet = moved.fleet
    agent, device_id = fleet.agent()
    assert agent.command("run", "--once").returncode == 0
    moved.back_up()
    lost = fleet.ask("PATCH", f"/v1/devices/{device_id}/config", config={"x-color": "blue"})
    for _ in range(2):
        assert agent.command("run", "--once").returncode == 0
    done = moved.restore()
    agent.start()
    until(lambda: stored(fleet, device_id, "events", "event")["agent.started"] == 4, "four starts")
    config = until(
        lambda: (
            (c := fleet.ask("GET", f"/v1/devices/{device_id}/config"))["applied"]["state"]
            == "applied"
            and c
        ),
        "the restored config runs",
    )
    ends(fleet, agent)
    assert config["revision"] == done["config_revision"] > lost["revision"]
    assert "x-color" not in config["document"]
    assert done["keys"] == "restored"
    for kind, name in (("events", "id"), ("logs", "message"), ("telemetry", "at")):
        expected = told_by(agent, kind, name)
        assert expected
        assert stored(fleet, device_id, kind, name) == expected
    assert fleet.device(device_id)["clone_suspected_at"] is None


@on_sqlite
def test_an_agent_that_let_go_of_some_since_goes_on_in_a_new_epoch_and_doubles_nothing(moved):
    fleet = moved.fleet
    agent, device_id = fleet.agent()
    assert agent.command("run", "--once").returncode == 0
    moved.back_up()
    before = stored(fleet, device_id, "logs", "message")
    last = live_of(agent, "SELECT MAX(sequence) FROM reports WHERE lane = 'live'")
    for _ in range(3):
        assert agent.command("run", "--once").returncode == 0
    with sqlite3.connect(agent.folder / "agent.db") as store:
        # As after a day: the first report that the restored server will lack is no longer held.
        store.execute(
            "UPDATE reports SET body = NULL WHERE lane = 'live' AND sequence = ?", (last + 1,)
        )
    epoch = live_of(agent, "SELECT value FROM meta WHERE name = 'live.epoch'")
    held = told_by(agent, "logs", "message")
    moved.restore()
    agent.start()
    until(lambda: held - stored(fleet, device_id, "logs", "message") == Counter(), "what is held")
    ends(fleet, agent)
    assert live_of(agent, "SELECT value FROM meta WHERE name = 'live.epoch'") != epoch
    there = stored(fleet, device_id, "logs", "message")
    assert held | before <= there
    events = stored(fleet, device_id, "events", "id")
    assert max(events.values()) == 1
    samples = stored(fleet, device_id, "telemetry", "at")
    assert max(samples.values()) == 1
