"""TLS with a certificate of one's own: lines carry the pin, and curl and the agent go by it."""

import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import httpx
import pytest

from e2e.test_installer import only
from support.certificates import write_certificate
from support.prestarted import prestarted
from support.server import ServerProcess

ADDRESS = "127.0.0.1"


class PinnedServer(ServerProcess):
    """A server with what `moorage tls init` made and said to set."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.base_url = f"https://{ADDRESS}:{self.port}"
        said = self.init("--name", ADDRESS)
        self.pins = said["pins"]
        to_set = {**said["settings"], "MOORAGE_PUBLIC_URL": self.base_url}
        self._env |= to_set
        self.trusting = ssl.create_default_context(cafile=said["ca"])
        self.ca = said["ca"]

    def init(self, *options: str) -> dict:
        done = prestarted().run(
            ["tls", "init", "--data", str(self.folder / "data"), "--json", *options], self._env
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def renew(self) -> dict:
        """Another certificate, in use."""
        said = self.init("--renew")
        assert self.stop() == 0
        self.start()
        return said

    def ask(self, method: str, path: str, **body):
        with httpx.Client(verify=self.trusting, base_url=self.base_url) as client:
            answer = client.request(
                method, path, json=body or None, headers={"Authorization": f"Bearer {self.key}"}
            )
        assert answer.is_success, answer.text
        return answer.json()


@pytest.fixture
def server(tmp_path, monkeypatch):
    for program in ("curl", "dash"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program} on this machine")
    found = PinnedServer(tmp_path / "server")
    monkeypatch.setenv("SSL_CERT_FILE", found.ca)
    found.start()
    found.key = found.bootstrap()["api_key"]
    yield found
    found.stop()


class Machine:
    """One that lines are pasted on; nothing on it trusts the server's CA."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.prefix = folder / "prefix"
        self._env = {"PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(folder)}
        # Prefixes of one's own need no root; on real machines the line asks for it.
        sudo = folder / "sudo"
        sudo.write_text('#!/bin/sh\nexec "$@"\n')
        sudo.chmod(0o755)

    def paste(self, line: str) -> subprocess.CompletedProcess[str]:
        """As it is, but for where to: these options go after the others."""
        return self.run("dash", "-c", f"{line} --prefix '{self.prefix}' --no-service")

    def agent(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(str(self.prefix / "bin" / "moorage-agent"), *arguments)

    def run(self, *command: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
        env = self._env if path is None else {**self._env, "PATH": path}
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=120, env=env
        )


class Between:
    """Somebody who answers in the server's place with a certificate of his own, and writes down."""

    def __init__(self, folder: Path, port: int) -> None:
        folder.mkdir()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*write_certificate(folder))
        self._listener = socket.create_server((ADDRESS, port))
        self.met = 0
        self.heard = b""
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            try:
                with self._context.wrap_socket(connection, server_side=True) as secured:
                    self.met += 1
                    secured.settimeout(10)
                    self.heard += secured.recv(4096)
            except OSError:
                continue

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(30)


@pytest.fixture
def between(tmp_path, server):
    """Take the server's place."""
    people = []

    def steps_in() -> Between:
        assert server.stop() == 0
        people.append(Between(tmp_path / "between", server.port))
        return people[0]

    yield steps_in
    for one in people:
        one.close()


def line_for_one(server) -> tuple[str, str]:
    made = server.ask("POST", "/v1/devices", name="machine")
    return made["install_command"], made["id"]


def line_for_many(server) -> str:
    made = server.ask("POST", "/v1/provisioning-tokens", name="many")
    return made["install_command"]


def statuses(server) -> list[str]:
    return [one["status"] for one in server.ask("GET", "/v1/devices")["data"]]


def test_the_line_enrols_a_machine_that_does_not_trust_the_certificate(server, tmp_path):
    machine = Machine(tmp_path / "machine")
    plain = subprocess.run(
        ["curl", "-fsS", f"{server.base_url}/healthz"],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert plain.returncode != 0, "it is trusted anyway, so this would prove nothing"
    line, device = line_for_one(server)
    assert server.pins["key"] in line
    done = machine.paste(line)
    assert done.returncode == 0, done.stderr
    assert machine.agent("run", "--once").returncode == 0
    assert server.ask("GET", f"/v1/devices/{device}")["status"] == "online"


@pytest.mark.parametrize("whose", ["ours", "Acusight's"])
def test_the_line_for_many_carries_the_pin_too(server, tmp_path, whose):
    if whose == "ours":
        line = line_for_many(server)
    else:
        made = server.ask("POST", "/api/provisioning-tokens", name="many")
        line = made["data"]["setup_command"]
    machine = Machine(tmp_path / "machine")
    done = machine.paste(line)
    assert done.returncode == 0, done.stderr
    assert machine.agent("run", "--once").returncode == 0
    assert statuses(server) == ["online"]


def test_a_renewed_certificate_locks_nobody_out_and_lines_given_out_stay_good(server, tmp_path):
    machine, later = Machine(tmp_path / "machine"), Machine(tmp_path / "later")
    line = line_for_many(server)
    assert machine.paste(line).returncode == 0
    assert machine.agent("run", "--once").returncode == 0
    again = server.renew()
    assert again["pins"]["certificate"] != server.pins["certificate"]
    assert machine.agent("run", "--once").returncode == 0
    done = later.paste(line)
    assert done.returncode == 0, done.stderr


def test_a_pinned_certificate_is_one_only_so_renewing_it_locks_out(server, tmp_path):
    machine = Machine(tmp_path / "machine")
    line, _ = line_for_one(server)
    with_certificate = line.replace(f"--pin {server.pins['key']}", "--pin CERTIFICATE")
    done = machine.paste(with_certificate.replace("CERTIFICATE", server.pins["certificate"]))
    assert done.returncode == 0, done.stderr
    assert machine.agent("run", "--once").returncode == 0
    server.renew()
    refused = machine.agent("run", "--once")
    assert refused.returncode != 0
    # The way back in: a fresh line, whose pin outlives certificates.
    device = server.ask("GET", "/v1/devices")["data"][0]["id"]
    fresh = server.ask("POST", f"/v1/devices/{device}/install")["install_command"]
    done = machine.paste(fresh)
    assert done.returncode == 0, done.stderr
    assert machine.agent("run", "--once").returncode == 0


def test_curl_gives_nothing_to_somebody_in_between(server, between, tmp_path):
    machine = Machine(tmp_path / "machine")
    line, _ = line_for_one(server)
    somebody = between()
    done = machine.paste(line)
    assert "public key" in done.stderr
    assert somebody.met > 0
    assert somebody.heard == b"", "the token stands in the address"
    assert not (machine.prefix / "bin").exists()


def test_the_agent_gives_nothing_to_somebody_in_between(server, between, tmp_path):
    machine = Machine(tmp_path / "machine")
    assert machine.paste(line_for_many(server)).returncode == 0
    assert machine.agent("run", "--once").returncode == 0
    somebody = between()
    done = machine.agent("run", "--once")
    assert done.returncode != 0
    assert "not the pinned one" in done.stdout + done.stderr
    assert somebody.met > 0
    assert somebody.heard == b""


def test_an_installer_that_was_let_through_is_held_back_by_its_pin(server, between, tmp_path):
    """Somebody in between who shows up only after the script was fetched."""
    machine = Machine(tmp_path / "machine")
    line, _ = line_for_one(server)
    fetch, arguments = line.split(" | ")
    saved = tmp_path / "install.sh"
    assert machine.run("dash", "-c", f"{fetch} -o '{saved}'").returncode == 0
    somebody = between()
    done = machine.paste(f"{arguments.replace('sh -s --', f'sh {saved}')}")
    assert done.returncode != 0
    assert somebody.met > 0
    assert somebody.heard == b""
    assert not (machine.prefix / "bin").exists()


def test_a_machine_that_has_the_script_needs_no_curl_for_the_rest(server, tmp_path):
    machine = Machine(tmp_path / "machine")
    line, device = line_for_one(server)
    fetch, arguments = line.split(" | ")
    saved = tmp_path / "install.sh"
    assert machine.run("dash", "-c", f"{fetch} -o '{saved}'").returncode == 0
    options = [*arguments.split()[3:], "--prefix", str(machine.prefix), "--no-service"]
    dash = shutil.which("dash")
    done = machine.run(dash, str(saved), *options, path=only(tmp_path, "python3"))
    assert done.returncode == 0, done.stderr
    assert machine.agent("run", "--once").returncode == 0
    assert server.ask("GET", f"/v1/devices/{device}")["status"] == "online"
