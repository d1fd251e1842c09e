"""Devices follow their server to a new address, once it has answered there; never elsewhere."""

import json
import time
from pathlib import Path

import pytest

from e2e.fleet import Fleet, until
from moorage.core.provisioning import agent_zipapp
from moorage_agent.enrol import enrol
from moorage_agent.store import Store
from moorage_agent.transport import Transport
from support.agent_file import InstalledAgent, build
from support.fronting import Front
from support.postgres import free_port
from support.prestarted import prestarted
from support.server import ServerProcess

pytestmark = pytest.mark.timeout(180)


class Moving(Fleet):
    """A fleet whose server has several addresses."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.fronts: list[Front] = []

    def address(self, server: str | None = None) -> Front:
        front = Front(server or self.server.base_url)
        self.fronts.append(front)
        return front

    def sign(self, *urls: str) -> str:
        return signed_by(self.server, *urls)

    def started(self, folder: Path, url: str, content: bytes | None = None) -> tuple:
        """An enrolled, running agent that reports often, and its device's id."""
        made = self.made()
        file = content or agent_zipapp().content
        haste = {"MOORAGE_AGENT_MOVE_EVERY_S": "0.2", "MOORAGE_AGENT_AWAY_AFTER_S": "2"}
        agent = InstalledAgent(folder, file, **haste)
        store = Store(str(agent.store), boot_id="enrolling")
        enrol(store, Transport(url), server=url, token=made["install_token"])
        store.close()
        return agent.start(), made["id"]

    def tell(self, device_id: str, text: str) -> None:
        path = f"/v1/devices/{device_id}/config"
        self.ask("PATCH", path, config={"servers": text, "report_interval_s": 5})

    def events(self, device_id: str, name: str) -> list[dict]:
        return [e for e in self.rows(device_id, "events") if e["event"] == name]

    def moved(self, device_id: str) -> dict:
        (event,) = until(lambda: self.events(device_id, "agent.moved"), "it has moved")
        return event["metadata"]

    def applied(self, device_id: str) -> None:
        path = f"/v1/devices/{device_id}/config"
        until(lambda: self.ask("GET", path)["applied"]["state"] == "applied", "it is applied")


def signed_by(server: ServerProcess, *urls: str) -> str:
    arguments = ["servers", "sign", *urls, "--json", *server._options]
    done = prestarted().run(arguments, server._env)
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["servers"])


@pytest.fixture(scope="module")
def moving(tmp_path_factory):
    fleet = Moving(tmp_path_factory.mktemp("moves"))
    yield fleet
    for front in fleet.fronts:
        front.close()
    fleet.server.stop()


@pytest.fixture
def started(moving, tmp_path):
    made = []

    def start(url: str, content: bytes | None = None) -> tuple:
        agent, device_id = moving.started(tmp_path / str(len(made)), url, content)
        made.append(agent)
        return agent, device_id

    yield start
    for agent in made:
        agent.kill()


def reports(front: Front) -> int:
    return front.paths.count("/v1/reports")


def test_a_device_goes_to_the_first_address_that_answers_and_on_in_its_epochs(moving, started):
    before, after = moving.address(), moving.address()
    nobody = f"http://127.0.0.1:{free_port()}"
    agent, device_id = started(before.url)
    until(lambda: reports(before), "it reports to the address it knows")
    epochs = {row["epoch"] for row in moving.rows(device_id, "reports")}
    moving.tell(device_id, moving.sign(nobody, after.url))
    assert moving.moved(device_id) == {"from": before.url, "to": after.url}
    assert agent.meta("server") == after.url
    before.cut.set()
    seen = reports(after)
    until(lambda: reports(after) >= seen + 2, "it goes on reporting there")
    assert agent.stop() == 0
    # The next process knows no other address, and it is the same history to the server.
    agent.start()
    started_twice = lambda: len(moving.events(device_id, "agent.started")) == 2  # noqa: E731
    until(started_twice, "its second start is there")
    assert {row["epoch"] for row in moving.rows(device_id, "reports")} >= epochs
    assert not moving.events(device_id, "reports.forked")
    moving.applied(device_id)


def test_the_present_address_stays_in_use_until_the_new_one_answers(moving, started):
    before, after = moving.address(), moving.address()
    after.cut.set()
    agent, device_id = started(before.url)
    moving.tell(device_id, moving.sign(after.url))
    failed = until(lambda: moving.events(device_id, "agent.move_failed"), "the reason is told")
    assert after.url in failed[0]["metadata"]["reason"]
    moving.applied(device_id)
    seen = reports(before)
    until(lambda: reports(before) > seen, "it goes on reporting where it was")
    assert agent.meta("server") == before.url
    assert len(moving.events(device_id, "agent.move_failed")) == 1
    after.cut.clear()
    assert moving.moved(device_id)["to"] == after.url


def test_another_server_at_the_new_address_is_refused_and_sees_no_key(moving, started, tmp_path):
    other = ServerProcess(tmp_path / "other").start()
    try:
        before, there = moving.address(), moving.address(other.base_url)
        agent, device_id = started(before.url)
        moving.tell(device_id, moving.sign(there.url))
        failed = until(lambda: moving.events(device_id, "agent.move_failed"), "the reason is told")
        assert "another server" in failed[0]["metadata"]["reason"]
        until(lambda: there.paths.count("/v1/server-key") >= 2, "it tries again")
        assert set(there.paths) == {"/v1/server-key"}
        assert agent.meta("server") == before.url
        moving.applied(device_id)
    finally:
        other.stop()


def test_an_older_list_than_the_one_that_was_followed_is_not(moving, started):
    first, second = moving.address(), moving.address()
    old = moving.sign(first.url)
    agent, device_id = started(first.url)
    time.sleep(0.01)
    moving.tell(device_id, moving.sign(second.url))
    moving.moved(device_id)
    moving.tell(device_id, old)
    refused = until(lambda: moving.events(device_id, "agent.servers_refused"), "it is told")
    assert "older" in refused[0]["metadata"]["reason"]
    moving.applied(device_id)
    assert agent.meta("server") == second.url


def test_while_its_address_fails_a_device_is_at_another_of_its_list_and_then_at_home_again(
    moving, started
):
    home, other = moving.address(), moving.address()
    nobody = f"http://127.0.0.1:{free_port()}"
    agent, device_id = started(home.url)
    moving.tell(device_id, moving.sign(home.url, nobody, other.url))
    moving.applied(device_id)
    assert not moving.events(device_id, "agent.moved")
    home.cut.set()
    assert moving.moved(device_id) == {"from": home.url, "to": other.url, "home": home.url}
    assert agent.stop() == 0
    # The next process is away from the same home.
    agent.start()
    seen, tried = reports(other), len(home.paths)
    until(lambda: reports(other) > seen and len(home.paths) > tried, "it looks at home meanwhile")
    assert agent.meta("server") == other.url
    home.cut.clear()
    until(lambda: len(moving.events(device_id, "agent.moved")) == 2, "it is at home again")
    seen = reports(home)
    until(lambda: reports(home) > seen, "it reports there")
    assert (agent.meta("server"), agent.meta("home")) == (home.url, None)
    assert not moving.events(device_id, "agent.move_failed")
    assert not moving.events(device_id, "reports.forked")
    assert moving.device(device_id)["clone_suspected_at"] is None


def test_away_from_its_address_a_device_goes_to_no_other_server(moving, started, tmp_path):
    stranger = ServerProcess(tmp_path / "other").start()
    try:
        home, there = moving.address(), moving.address(stranger.base_url)
        agent, device_id = started(home.url)
        moving.tell(device_id, moving.sign(home.url, there.url))
        moving.applied(device_id)
        home.cut.set()
        until(lambda: there.paths.count("/v1/server-key") >= 2, "it looks there")
        assert set(there.paths) == {"/v1/server-key"}
        assert agent.meta("server") == home.url
        home.cut.clear()
        seen = reports(home)
        until(lambda: reports(home) > seen, "it goes on where it was")
        assert not moving.events(device_id, "agent.moved")
    finally:
        stranger.stop()


@pytest.mark.parametrize(
    ("ending", "goes_on_at"),
    [
        ({"moving": "import os as _os\nMover._move = lambda *_a: _os.kill(_os.getpid(), 9)\n"}, 0),
        ({"lanes": "import os as _os\nLanes.use = lambda *_a: _os.kill(_os.getpid(), 9)\n"}, 1),
    ],
    ids=["before it is noted", "after it is noted"],
)
def test_a_power_cut_in_the_move_leaves_one_address_and_it_is_finished(
    moving, started, ending, goes_on_at
):
    addresses = [moving.address(), moving.address()]
    agent, device_id = started(addresses[0].url, build("1.0.0", ending))
    moving.tell(device_id, moving.sign(addresses[1].url))
    until(agent.ended, "the power goes")
    assert agent.meta("server") == addresses[goes_on_at].url
    agent.file.write_bytes(agent_zipapp().content)
    agent.start()
    assert moving.moved(device_id)["to"] == addresses[1].url
    assert not moving.events(device_id, "reports.forked")


def test_a_fleet_goes_from_one_server_process_to_another_of_the_same_database(postgres, tmp_path):
    name = "moves"
    postgres.run_sql(f"CREATE DATABASE {name}")
    url = postgres.url(name)
    first, second = (ServerProcess(tmp_path / "server", database=url) for _ in range(2))
    try:
        first.start()
        fleet = Moving.__new__(Moving)
        fleet.server, fleet.folder, fleet.fronts = first, tmp_path, []
        fleet.key = first.bootstrap()["api_key"]
        second.start()
        agent, device_id = fleet.started(tmp_path / "device", first.base_url)
        fleet.tell(device_id, fleet.sign(second.base_url))
        assert fleet.moved(device_id)["to"] == second.base_url
        first.stop()
        fleet.server = second
        seen = len(fleet.rows(device_id, "telemetry"))
        until(lambda: len(fleet.rows(device_id, "telemetry")) > seen, "it reports to the second")
        assert agent.stop() == 0
        assert not fleet.events(device_id, "reports.forked")
    finally:
        agent.kill()
        first.stop()
        second.stop()
        postgres.run_sql(f"DROP DATABASE {name} WITH (FORCE)")
