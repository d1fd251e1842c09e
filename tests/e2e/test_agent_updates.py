"""An agent replaces itself with its server's, proves the new one, and goes back if it does not."""

import base64
import json
import subprocess
import time
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from e2e.fleet import Fleet, until
from moorage_agent.enrol import enrol
from moorage_agent.store import Store
from moorage_agent.transport import Transport
from support.agent_file import (
    CRASHES,
    DIES_ONCE_PROVEN,
    HANGS,
    NEVER_REPORTS,
    InstalledAgent,
    build,
    killed_in_swap,
    older_release,
    sha256,
)
from support.fronting import Front
from support.server import ServerProcess

pytestmark = pytest.mark.timeout(180)

OLD, NEW = "1.0.0", "1.1.0"
FILE = "/install/moorage-agent.pyz"
ENDED = ("succeeded", "failed", "expired", "cancelled")
QUICK = {"MOORAGE_AGENT_TRIAL_S": "60", "MOORAGE_AGENT_STABLE_S": "0.3"}


def unpadded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Releasing:
    """A server of this module's, before it what hands out builds that its own key has signed."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.front = Front(fleet.server.base_url)
        pem = fleet.server.folder / "data" / "keys" / "signing.pem"
        self.signer = load_pem_private_key(pem.read_bytes(), password=None)

    def signed(self, version: str, content: bytes, signer=None, mark: str = "MRU1") -> dict:
        about = {"version": version, "sha256": sha256(content), "size": len(content)}
        text = f"{mark}.{unpadded(json.dumps({'v': 1, **about}).encode())}"
        signature = unpadded((signer or self.signer).sign(text.encode()))
        return {**about, "path": FILE, "signed": f"{text}.{signature}"}

    def release(self, version: str, content: bytes, **changed: object) -> None:
        self.tell({**self.signed(version, content), **changed})
        self.hand_out(content)

    def tell(self, said: dict) -> None:
        told = json.dumps(said).encode()
        self.front.given["/v1/agent"] = lambda: (200, told, "application/json")

    def hand_out(self, content: bytes) -> None:
        self.front.given[FILE] = lambda: (200, content, "application/zip")

    def device(self, folder: Path, content: bytes, **environment: str) -> tuple:
        """An enrolled, running agent of this build, and its device's id."""
        made = self.fleet.made()
        agent = InstalledAgent(folder, content, **{**QUICK, **environment})
        # In this process: an interpreter that is started for it would be a third of the time.
        store = Store(str(agent.store), boot_id="enrolling")
        url, token = self.front.url, made["install_token"]
        enrol(store, Transport(url), server=url, token=token)
        store.close()
        return agent.start(), made["id"]

    def update(self, device_id: str, **arguments: object) -> str:
        path = f"/v1/devices/{device_id}/commands"
        return self.fleet.ask("POST", path, kind="update_agent", arguments=arguments)["id"]

    def ended(self, device_id: str, command_id: str) -> dict:
        path = f"/v1/devices/{device_id}/commands/{command_id}"
        return until(
            lambda: (found := self.fleet.ask("GET", path))["state"] in ENDED and found,
            "the command ends",
        )

    def events(self, device_id: str, name: str) -> list[dict]:
        return [e for e in self.fleet.rows(device_id, "events") if e["event"] == name]

    def version(self, device_id: str) -> str | None:
        return (self.fleet.device(device_id)["facts"] or {}).get("agent_version")


@pytest.fixture(scope="module")
def releasing(tmp_path_factory):
    fleet = Fleet(tmp_path_factory.mktemp("updates"))
    made = Releasing(fleet)
    yield made
    made.front.close()
    fleet.server.stop()


@pytest.fixture(scope="module")
def old() -> bytes:
    return build(OLD)


@pytest.fixture
def started(releasing, old, tmp_path):
    """What starts agents of the old build, or another one, and ends them with the test."""
    made = []

    def start(content: bytes = old, **environment: str) -> tuple:
        releasing.front.given.clear()
        agent, device_id = releasing.device(tmp_path / str(len(made)), content, **environment)
        made.append(agent)
        return agent, device_id

    yield start
    for agent in made:
        agent.kill()
        until(lambda agent=agent: not agent.children(), "no trial outlives its agent")


def goes_back(releasing, agent, device_id, command_id) -> str:
    """Claim that the old agent goes on, and that this was told; return the reason."""
    done = releasing.ended(device_id, command_id)
    assert done["state"] == "failed"
    assert f"{OLD} goes on" in done["error"]
    until(lambda: releasing.version(device_id) == OLD, "the old version is told again")
    (event,) = until(
        lambda: releasing.events(device_id, "agent.update_failed"), "the event is there"
    )
    assert event["metadata"]["to"] == NEW
    assert agent.file.read_bytes() == build(OLD)
    assert not agent.children()
    assert not agent.file.with_name(agent.file.name + ".next").exists()
    return str(event["metadata"]["reason"])


def test_an_agent_becomes_the_one_its_server_hands_out_under_the_same_process_id(
    fleet, old, tmp_path
):
    # Here nothing stands between: a server of another release hands out its own agent.
    made = fleet.made()
    agent = InstalledAgent(tmp_path, old, **QUICK)
    assert agent.enrol(fleet.server.base_url, made["install_token"]).returncode == 0
    agent.start()
    pid = agent.pid
    path = f"/v1/devices/{made['id']}/commands"
    sent = fleet.ask("POST", path, kind="update_agent", arguments={"downgrade": True})
    done = until(
        lambda: (c := fleet.ask("GET", f"{path}/{sent['id']}"))["state"] in ENDED and c, "its end"
    )
    version = fleet.ask("GET", f"/v1/devices/{made['id']}")["facts"]["agent_version"]
    assert done["state"] == "succeeded", done["error"]
    assert done["result"] == {"from": OLD, "to": version, "updated": True}
    assert version != OLD
    assert agent.pid == pid
    assert agent.is_running
    assert agent.file.with_name("moorage-agent.pyz.previous").read_bytes() == old
    events = [e for e in fleet.rows(made["id"], "events") if e["event"] == "agent.updated"]
    assert [e["metadata"] for e in events] == [{"from": OLD, "to": version}]
    # Nothing to do the second time, and that is said.
    again = fleet.ask("POST", path, kind="update_agent")["id"]
    done = until(lambda: (c := fleet.ask("GET", f"{path}/{again}"))["state"] in ENDED and c, "end")
    assert done["result"]["updated"] is False
    assert agent.stop() == 0


def test_devices_follow_when_their_server_is_updated(tmp_path):
    older = older_release(tmp_path / "older", "0.0.1")
    before = ServerProcess(tmp_path / "server", env=older, own_interpreter=True)
    after = ServerProcess(tmp_path / "server")
    after.port, after.base_url = before.port, before.base_url
    fleet = Fleet.__new__(Fleet)
    fleet.server, fleet.folder = before, tmp_path
    before.start()
    fleet.key = before.bootstrap()["api_key"]
    made = fleet.made()
    # By the installer and its command, as on a device: an update replaces neither.
    url = f"{before.base_url}/devices/v2/{made['install_token']}/install.sh"
    script, prefix = httpx.get(url).text, tmp_path / "prefix"
    arguments = ["sh", "-s", "--", "--prefix", str(prefix), "--no-service"]
    done = subprocess.run(
        arguments, input=script, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    at_once = {"MOORAGE_AGENT_UPDATE_SPREAD_S": "0", "MOORAGE_AGENT_UPDATE_EVERY_S": "1"}
    agent = InstalledAgent(tmp_path, prefix=prefix, **QUICK, **at_once).start()
    try:
        path = f"/v1/devices/{made['id']}"
        config = {"agent_updates": "automatic", "report_interval_s": 5}
        fleet.ask("PATCH", f"{path}/config", config=config)

        def version() -> str | None:
            return (fleet.device(made["id"])["facts"] or {}).get("agent_version")

        until(lambda: version() == "0.0.1", "the older one is there")
        before.stop()
        after.start()
        fleet.server = after

        def updated() -> list[dict]:
            return [e for e in fleet.rows(made["id"], "events") if e["event"] == "agent.updated"]

        (event,) = until(updated, "the newer one has proved itself")
        assert event["metadata"] == {"from": "0.0.1", "to": version()}
        assert agent.is_running
        assert agent.stop() == 0
        assert agent.file.read_bytes() == httpx.get(after.base_url + FILE).content
        removed = subprocess.run(
            [*arguments, "--uninstall"], input=script, text=True, check=False, timeout=60
        )
        assert removed.returncode == 0
        assert not prefix.exists()
    finally:
        agent.kill()
        before.stop()
        after.stop()


def test_what_is_not_the_servers_own_is_refused_and_the_agent_goes_on(releasing, started, old):
    agent, device_id = started()
    new = build(NEW)
    other = load_pem_private_key(_foreign_key(), password=None)
    good = releasing.signed(NEW, new)
    longer = {**good, "signed": releasing.signed(NEW, new + b"x")["signed"]}
    text = good["signed"]
    altered = text[:-40] + ("B" if text[-40] == "A" else "A") + text[-39:]
    for said, content, arguments, reason in (
        (good, new[:-1] + b"x", {}, "not the one that the server signed"),
        (good, new + b"more", {}, "not the one that the server signed"),
        (longer, new, {}, "not the one that the server signed"),
        (releasing.signed(NEW, new, other), new, {}, "not signed with the key"),
        (releasing.signed(NEW, new, mark="MRG1"), new, {}, "holds no signed text"),
        ({**good, "signed": altered}, new, {}, "not signed with the key"),
        ({**good, "signed": None}, new, {}, "holds no signed text"),
        (releasing.signed("0.9.0", build("0.9.0")), build("0.9.0"), {}, "older than 1.0.0"),
        (good, new, {"version": "1.2.0"}, "1.2.0 was asked for"),
        (releasing.signed(NEW, b"no zip"), b"no zip", {}, "does not start here"),
        (releasing.signed("1.2.0", new), new, {}, "says it is 1.1.0"),
    ):
        releasing.tell(said)
        releasing.hand_out(content)
        done = releasing.ended(device_id, releasing.update(device_id, **arguments))
        assert done["state"] == "failed", reason
        assert reason in done["error"]
    assert agent.is_running
    assert agent.file.read_bytes() == old
    assert [path.name for path in agent.file.parent.iterdir()] == [agent.file.name]
    assert not releasing.events(device_id, "agent.updated")


def _foreign_key() -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 - here only
        Ed25519PrivateKey,
    )
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 - here only
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("endings", "environment", "reason"),
    [
        (CRASHES, {}, "broken on purpose"),
        (HANGS, {"MOORAGE_AGENT_TRIAL_S": "1"}, "within 1 s"),
        (NEVER_REPORTS, {"MOORAGE_AGENT_TRIAL_S": "4"}, "within 4 s"),
        (DIES_ONCE_PROVEN, {"MOORAGE_AGENT_STABLE_S": "5"}, "exit code 3: gone again"),
    ],
    ids=["crashes", "hangs", "never reports", "dies once it reported"],
)
def test_a_new_agent_that_does_not_work_leaves_the_old_one_in_its_place(
    releasing, started, endings, environment, reason
):
    agent, device_id = started(**environment)
    releasing.release(NEW, build(NEW, endings))
    command_id = releasing.update(device_id)
    assert reason in goes_back(releasing, agent, device_id, command_id)
    assert agent.is_running
    assert agent.stop() == 0


def test_an_agent_killed_in_the_middle_of_a_trial_takes_the_new_one_with_it(releasing, started):
    agent, device_id = started()
    releasing.release(NEW, build(NEW, HANGS))
    command_id = releasing.update(device_id)
    until(agent.children, "the new one is on trial")
    agent.kill()
    until(lambda: not agent.children(), "the new one is gone")
    agent.start()
    assert "interrupted" in goes_back(releasing, agent, device_id, command_id)


def test_an_agent_killed_while_it_fetches_goes_on_as_it_was(releasing, started, old):
    agent, device_id = started()
    new = build(NEW)
    releasing.release(NEW, new)
    asked = []

    def slowly() -> tuple:
        asked.append(1)
        time.sleep(2)
        return (200, new, "application/zip")

    releasing.front.given[FILE] = slowly
    command_id = releasing.update(device_id)
    until(lambda: asked, "the file is asked for")
    agent.kill()
    agent.start()
    done = releasing.ended(device_id, command_id)
    assert done["state"] == "failed"
    assert "interrupted" in done["error"]
    assert agent.file.read_bytes() == old


@pytest.mark.parametrize("renames", [1, 2])
def test_a_power_cut_in_the_swap_leaves_one_whole_agent_and_the_truth(releasing, started, renames):
    # The new one is proven by then; the old one is what the power leaves in the middle.
    before, new = build(OLD, killed_in_swap(renames)), build(NEW)
    agent, device_id = started(before)
    releasing.release(NEW, new)
    command_id = releasing.update(device_id)
    until(agent.ended, "the power goes")
    assert agent.file.read_bytes() == (new if renames == 2 else before)
    agent.start()
    done = releasing.ended(device_id, command_id)
    assert done["state"] == ("succeeded" if renames == 2 else "failed"), done["error"]
    expected = NEW if renames == 2 else OLD
    until(lambda: releasing.version(device_id) == expected, "the version is told")
    assert agent.is_running


def test_told_to_end_during_a_trial_an_agent_ends_and_goes_on_as_it_was(releasing, started):
    agent, device_id = started()
    releasing.release(NEW, build(NEW, NEVER_REPORTS))
    command_id = releasing.update(device_id)
    until(agent.children, "the new one is on trial")
    assert agent.stop() == 0
    assert not agent.children()
    agent.start()
    assert "told to end" in goes_back(releasing, agent, device_id, command_id)


def test_config_has_agents_follow_their_server_but_never_twice_what_went_back(releasing, started):
    at_once = {"MOORAGE_AGENT_UPDATE_SPREAD_S": "0", "MOORAGE_AGENT_UPDATE_EVERY_S": "1"}
    agent, device_id = started(**at_once)
    path = f"/v1/devices/{device_id}/config"
    config = {"agent_updates": "automatic", "report_interval_s": 5}
    releasing.release("0.9.0", build("0.9.0"))
    releasing.fleet.ask("PATCH", path, config=config)
    until(lambda: "/v1/agent" in releasing.front.paths, "it asks by itself")
    releasing.release(NEW, build(NEW, CRASHES))
    until(lambda: releasing.events(device_id, "agent.update_failed"), "the broken one went back")
    asked = releasing.front.paths.count("/v1/agent")
    until(lambda: releasing.front.paths.count("/v1/agent") >= asked + 3, "it asks again")
    assert len(releasing.events(device_id, "agent.update_failed")) == 1
    releasing.release("1.2.0", build("1.2.0"))
    until(lambda: releasing.events(device_id, "agent.updated"), "the next one is taken")
    until(lambda: releasing.version(device_id) == "1.2.0", "its version is told")
    assert len(releasing.events(device_id, "agent.update_failed")) == 1
    assert agent.is_running


def test_a_key_that_was_given_is_believed_and_never_replaced(releasing, old, tmp_path):
    other = load_pem_private_key(_foreign_key(), password=None)
    key = unpadded(other.public_key().public_bytes_raw())
    releasing.front.given.clear()
    made = releasing.fleet.made()
    agent = InstalledAgent(tmp_path, old, **QUICK)
    options = ("--server-key", key)
    assert agent.enrol(releasing.front.url, made["install_token"], *options).returncode == 0
    agent.start()
    new = build(NEW)
    releasing.release(NEW, new)
    done = releasing.ended(made["id"], releasing.update(made["id"]))
    assert "not signed with the key" in done["error"]
    assert agent.meta("server_key") == key
    releasing.tell(releasing.signed(NEW, new, other))
    done = releasing.ended(made["id"], releasing.update(made["id"]))
    agent.stop()
    assert done["state"] == "succeeded", done["error"]


def test_an_agent_that_runs_from_its_sources_says_so(releasing):
    agent, device_id = releasing.fleet.agent()
    agent.start()
    done = releasing.ended(device_id, releasing.update(device_id))
    agent.stop()
    assert "sources or a package" in done["error"]
