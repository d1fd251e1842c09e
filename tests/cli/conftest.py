"""A real server on loopback, and `moorage` run against it as a person or a script does."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest

from support.prestarted import Prestarted, prestarted
from support.server import ServerProcess


@dataclass
class Cli:
    """Runs `moorage` with a home of its own and no settings but those given."""

    home: Path
    url: str
    key: str
    prestarted: Prestarted
    env: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not _is_setting(name)}
        return {
            **clean,
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "XDG_STATE_HOME": str(self.home / "state"),
            "NO_PROXY": "127.0.0.1",
            **self.env,
        }

    def run(self, *arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
        done = self.prestarted.run([*map(str, arguments)], self.environment(), stdin)
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        return done

    def start(
        self, *arguments: str | Path, stdin: int | IO[str] = subprocess.DEVNULL
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "moorage.cli", *map(str, arguments)],
            env=self.environment(),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def login(self, *options: str) -> "Cli":
        done = self.run("login", self.url, "--key-stdin", *options, stdin=self.key)
        assert done.returncode == 0, done.stderr
        return self

    def ok(self, *arguments: str | Path, stdin: str = "") -> str:
        """What a command prints that does what it is asked."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout

    def json(self, *arguments: str | Path, stdin: str = "") -> Any:
        return json.loads(self.ok(*arguments, "--json", stdin=stdin))

    def refused(self, code: int, *arguments: str | Path, stdin: str = "") -> str:
        """The one line a refused command prints; nothing of it stands on standard output."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        assert done.stdout == ""
        (line,) = done.stderr.strip().splitlines()
        assert line.startswith("moorage: ")
        return line


def _is_setting(name: str) -> bool:
    return name.startswith(("MOORAGE_", "XDG_"))


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[ServerProcess]:
    process = ServerProcess(
        tmp_path_factory.mktemp("server"), env={"MOORAGE_RATE_LIMITS": "off"}
    ).start()
    yield process
    assert process.stop() == 0


@pytest.fixture
def own_server(tmp_path) -> Iterator[ServerProcess]:
    """A server of this test's own, to stop and to tamper with; gone also when the test fails."""
    process = ServerProcess(tmp_path / "own").start()
    yield process
    process.kill()


@pytest.fixture(scope="module")
def keys(server, request) -> dict[str, Any]:
    """Keys of a workspace that only this module's tests use."""
    return server.bootstrap(request.module.__name__.rpartition(".")[2].replace("_", "-"))


@pytest.fixture
def anonymous(server, keys, tmp_path) -> Cli:
    """Nobody logged in yet."""
    return Cli(tmp_path / "home", server.base_url, keys["api_key"], prestarted())


@pytest.fixture
def cli(anonymous) -> Cli:
    return anonymous.login()
