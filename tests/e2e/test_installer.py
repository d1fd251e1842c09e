"""The install script as devices run it: any shell, any way to download, and every way to fail."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from support.server import ServerProcess

SHELLS = {"dash": ["dash"], "bash": ["bash", "--posix"], "busybox": ["busybox", "sh"]}
# What the script needs besides a way to download; nothing else is on the PATH of these tests.
TOOLS = ["sh", "cat", "chmod", "cp", "mkdir", "mv", "rm", "rmdir", "dirname", "basename", "mktemp"]
TOOLS += ["id", "sed", "printf", "env", "uname", "tr", "head", "cut", "ln", "ls"]


class Device:
    """A machine that may have little, with a prefix to install into."""

    def __init__(
        self, server: ServerProcess, folder: Path, made: dict, script: bytes | None = None
    ) -> None:
        self.server = server
        self.folder = folder
        self.prefix = folder / "an 'odd' prefix $HOME"
        self.id, self.token = made["id"], made["install_token"]
        self.script = script or self.fetch().content

    def fetch(self) -> httpx.Response:
        return httpx.get(f"{self.server.base_url}/devices/v2/{self.token}/install.sh")

    def install(
        self, *options: str, shell: str = "dash", path: str | None = None, script: bytes = b""
    ) -> subprocess.CompletedProcess[str]:
        arguments = [*SHELLS[shell], "-s", "--", "--prefix", str(self.prefix), "--no-service"]
        command = shutil.which(arguments[0])
        assert command is not None
        return subprocess.run(
            [command, *arguments[1:], *options],
            input=(script or self.script).decode(),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={"PATH": path or os.environ["PATH"], "HOME": str(self.folder)},
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.prefix / "bin" / "moorage-agent", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    found = ServerProcess(tmp_path_factory.mktemp("installer")).start()
    found.key = found.bootstrap()["api_key"]
    yield found
    assert found.stop() == 0


@pytest.fixture
def device(server, tmp_path) -> Device:
    auth = {"Authorization": f"Bearer {server.key}"}
    made = httpx.post(f"{server.base_url}/v1/devices", json={"name": "a"}, headers=auth)
    return Device(server, tmp_path, made.json())


def needs(*programs: str) -> None:
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"there is no {', '.join(missing)} on this machine")


def only(folder: Path, *more: str) -> str:
    """A PATH of the script's needs and what is named, as small devices have it."""
    there = folder / "bin"
    there.mkdir()
    for program in (*TOOLS, *(one for one in more if one != "python3")):
        found = shutil.which(program)
        if found:
            (there / program).symlink_to(found)
    if "python3" in more:
        # What stands on the PATH may be a script of a version manager.
        (there / "python3").symlink_to(Path(sys.executable).resolve())
    return str(there)


def status_of(server: ServerProcess, device_id: str) -> str:
    auth = {"Authorization": f"Bearer {server.key}"}
    return httpx.get(f"{server.base_url}/v1/devices/{device_id}", headers=auth).json()["status"]


@pytest.mark.parametrize("shell", sorted(SHELLS))
def test_it_installs_upgrades_and_goes_in_every_shell(server, device, shell):
    needs(SHELLS[shell][0])
    installed = device.install(shell=shell)
    assert installed.returncode == 0, installed.stderr
    assert device.run("run", "--once").returncode == 0
    assert status_of(server, device.id) == "online"
    # The token is spent; the machine is enrolled, so this is an upgrade.
    agent = device.prefix / "lib" / "moorage-agent.pyz"
    agent.write_bytes(b"an older one")
    again = device.install(shell=shell)
    assert again.returncode == 0, again.stderr
    assert device.run("run", "--once").returncode == 0
    removed = device.install("--uninstall", shell=shell)
    assert removed.returncode == 0, removed.stderr
    assert not device.prefix.exists()


@pytest.mark.parametrize("program", ["curl", "wget", "nothing but python3"])
def test_it_downloads_with_what_is_there(server, device, tmp_path, program):
    if " " not in program:
        needs(program)
    path = only(tmp_path, "python3", *([] if " " in program else [program]))
    installed = device.install(path=path)
    assert installed.returncode == 0, installed.stderr
    assert device.run("run", "--once").returncode == 0
    assert status_of(server, device.id) == "online"


@pytest.mark.parametrize("program", ["curl", "nothing but python3"])
def test_a_server_that_no_dns_knows_is_reached_by_the_table(server, device, tmp_path, program):
    if " " not in program:
        needs(program)
    named = device.script.replace(b"127.0.0.1", b"fleet.invalid")
    assert named != device.script
    path = only(tmp_path, "python3", *([] if " " in program else [program]))
    for entry in ("fleet.invalid", "fleet.invalid=", "=127.0.0.1", "a=1;id", "a=1 2", "a=$(id)"):
        wrong = device.install("--host", entry, script=named, path=path)
        assert wrong.returncode != 0
        assert "NAME=ADDRESS" in wrong.stderr
    done = device.install("--host", "fleet.invalid=127.0.0.1", script=named, path=path)
    assert done.returncode == 0, done.stderr
    assert "fleet.invalid=127.0.0.1" in device.run("status").stdout
    once = device.run("run", "--once")
    assert once.returncode == 0, once.stderr
    assert status_of(server, device.id) == "online"


def test_without_python_it_says_how_to_get_it(device, tmp_path):
    failed = device.install(path=only(tmp_path, "curl"))
    assert failed.returncode != 0
    assert "Python 3.8" in failed.stderr
    assert "apt-get install python3" in failed.stderr
    assert not list(device.prefix.glob("*"))


def test_an_agent_that_is_not_the_one_promised_is_not_installed(device):
    digest = httpx.get(f"{device.server.base_url}/install/moorage-agent.pyz").headers["etag"]
    forged = device.script.replace(digest.strip('"').encode(), b"0" * 64)
    assert forged != device.script
    failed = device.install(script=forged)
    assert failed.returncode != 0
    assert "digest differs" in failed.stderr
    assert not (device.prefix / "bin").exists()
    assert device.fetch().status_code == 200, "the token was not spent"


def test_a_server_that_cannot_be_reached_leaves_nothing(device):
    address = device.server.base_url.encode()
    failed = device.install(script=device.script.replace(address, b"http://127.0.0.1:9"))
    assert failed.returncode != 0
    assert "could not be fetched" in failed.stderr
    assert not (device.prefix / "bin").exists()


@pytest.mark.parametrize("token", ["", "inst_1", "inst_" + "g" * 48, "$(touch pwned)", "a b"])
def test_what_is_no_token_is_refused_before_anything_is_done(device, tmp_path, token):
    failed = device.install(token)
    if token:
        assert failed.returncode != 0
        assert "token" in failed.stderr
    assert not list(tmp_path.rglob("pwned"))
    assert not Path("pwned").exists()


def test_a_spent_token_enrols_no_second_machine(server, device, tmp_path):
    assert device.install().returncode == 0
    other = tmp_path / "other"
    other.mkdir()
    device.prefix = other / "prefix"
    refused = device.install()
    assert refused.returncode != 0
    assert "used already" in refused.stderr
    auth = {"Authorization": f"Bearer {server.key}"}
    url = f"{server.base_url}/v1/devices/{device.id}/attempts"
    tried = httpx.get(url, headers=auth).json()["data"]
    assert tried[0]["outcome"] == "refused"


def test_the_answer_for_a_spent_token_fails_loudly_in_a_pipe(device):
    assert device.install().returncode == 0
    answer = device.fetch()
    assert answer.status_code == 404
    done = subprocess.run(
        ["sh"], input=answer.text, capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode != 0
    assert "used already" in done.stderr


def test_an_option_it_does_not_know_is_said(device):
    failed = device.install("--wrong")
    assert failed.returncode != 0
    assert "--wrong" in failed.stderr
    assert "--help" in failed.stderr


@pytest.mark.parametrize("shell", sorted(SHELLS))
def test_the_line_for_many_enrols_each_machine_as_a_device_of_its_own(server, tmp_path, shell):
    needs(SHELLS[shell][0])
    auth = {"Authorization": f"Bearer {server.key}"}
    fields = {"name": "line 2", "tags": ["line=2"]}
    made = httpx.post(f"{server.base_url}/api/provisioning-tokens", json=fields, headers=auth)
    line = made.json()["data"]["setup_command"].split()
    assert line[:2] == ["curl", "-fsSL"]
    script = httpx.get(line[2]).content
    names = [f"{shell} {at}" for at in range(2)]
    for at, name in enumerate(names):
        folder = tmp_path / str(at)
        folder.mkdir()
        machine = Device(server, folder, {"id": "", "install_token": ""}, script)
        installed = machine.install(line[-1], "--name", name, shell=shell)
        assert installed.returncode == 0, installed.stderr
        assert machine.run("run", "--once").returncode == 0
    listed = httpx.get(f"{server.base_url}/api/devices?limit=500", headers=auth).json()["data"]
    mine = [one for one in listed if one["name"] in names]
    assert [one["connection"] for one in mine] == ["online", "online"]
    assert [one["tags"] for one in mine] == [["line=2"], ["line=2"]]
    assert len({one["device_id"] for one in mine}) == 2
