"""What ``pip install moorage[server]`` brings runs by itself, with nothing of the checkout."""

import json
import re
import signal
import subprocess
import sys
import time

import httpx
import pytest

from support.postgres import free_port
from support.wheel import ROOT, built, clean_env, installed, names_in

WITHIN_S = 60


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return built(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def program(wheel, tmp_path_factory):
    return installed(wheel, tmp_path_factory.mktemp("installed") / "venv")


def run(program, folder, *arguments):
    return subprocess.run(
        [program, *arguments],
        cwd=folder,
        env=clean_env(MOORAGE_DATA=str(folder / "data")),
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )


def test_the_wheel_holds_every_file_of_the_program(wheel):
    """Installer, agent, migrations, schemas, pages: whatever stands beside the code, too."""
    source = ROOT / "src"
    wanted = {
        str(path.relative_to(source))
        for package in ("moorage", "moorage_agent")
        for path in (source / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert wanted - names_in(wheel) == set()
    assert not [name for name in names_in(wheel) if name.startswith(("tests", "bench", "tools"))]


def test_an_installed_server_serves_installs_backs_up_and_ends(program, tmp_path):
    port = free_port()
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            [program, "serve", "--port", str(port)],
            cwd=tmp_path,
            env=clean_env(MOORAGE_DATA=str(tmp_path / "data")),
            stdout=log,
            stderr=log,
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            is_ready(client, server, tmp_path / "log")
            made = run(program, tmp_path, "bootstrap", "--workspace", "acme", "--json")
            assert made.returncode == 0, made.stderr
            client.headers["authorization"] = f"Bearer {json.loads(made.stdout)['api_key']}"
            device = client.post("/v1/devices", json={"name": "gate"}).json()
            script = client.get(f"/devices/v2/{device['install_token']}/install.sh")
            assert script.text.startswith("#!/bin/sh")
            assert client.get("/v1/openapi.json").status_code == 200
            assert client.get("/v1/docs").status_code == 200
            console = client.get("/console", follow_redirects=True)
            assert (console.status_code, "Sign in" in console.text) == (200, True)
            for address in re.findall(r'(?:src|href)="(/console/static/[^"#]+)"', console.text):
                assert client.get(address).status_code == 200, address
            # The agent comes out of the wheel as one file, and runs.
            agent = client.get("/install/moorage-agent.pyz")
            assert agent.status_code == 200
            (tmp_path / "agent.pyz").write_bytes(agent.content)
            helped = subprocess.run(
                [sys.executable, "-I", tmp_path / "agent.pyz", "--help"],
                capture_output=True,
                timeout=WITHIN_S,
                check=False,
            )
            assert b"enroll" in helped.stdout
        backed_up = run(program, tmp_path, "backup", tmp_path / "night.zip")
        assert backed_up.returncode == 0, backed_up.stderr
        assert run(program, tmp_path, "migrate", "--check").returncode == 0
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(WITHIN_S) == 0


def is_ready(client, server, log):
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())
