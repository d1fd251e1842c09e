"""A real server process, driven from outside like a user would."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from support.postgres import free_port
from support.prestarted import Child, prestarted

_START_WITHIN_S = 30


class ServerProcess:
    """`moorage serve` on a free loopback port, with its data in a folder of the test's."""

    def __init__(
        self,
        folder: Path,
        *,
        database: str | None = None,
        env: dict[str, str] | None = None,
        own_interpreter: bool = False,
    ) -> None:
        """``own_interpreter``: start as a user does, for whoever looks at the start itself."""
        self.folder = folder
        self.port = free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self._options = ["--data", str(folder / "data")]
        if database is not None:
            self._options += ["--database", database, "--keys-dir", str(folder / "keys")]
        # Tests ask more often than any owner; the one about a limit switches limits on.
        ours = {"MOORAGE_LOG_LEVEL": "info", "MOORAGE_RATE_LIMITS": "off"}
        self._env = {**os.environ, **ours, **(env or {})}
        self._process: Child | subprocess.Popen[bytes] | None = None
        self._own_interpreter = own_interpreter
        self.log = folder / "server.log"

    def start(self) -> "ServerProcess":
        self.folder.mkdir(parents=True, exist_ok=True)
        arguments = ["serve", "--port", str(self.port), *self._options]
        with self.log.open("ab") as log, Path(os.devnull).open("rb") as nothing:
            if self._own_interpreter:
                command = [sys.executable, "-m", "moorage.cli", *arguments]
                self._process = subprocess.Popen(command, stdout=log, stderr=log, env=self._env)
            else:
                files = [nothing.fileno(), log.fileno(), log.fileno()]
                self._process = prestarted().spawn(arguments, self._env, files)
        deadline = time.monotonic() + _START_WITHIN_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                if httpx.get(f"{self.base_url}/healthz").status_code == 200:
                    return self
            except httpx.TransportError:
                time.sleep(0.05)
        raise RuntimeError(f"the server did not start:\n{self.log.read_text()}")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """As pulling the plug would: nothing gets to run any more."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        if self._process is None:
            return 0
        self._process.send_signal(how)
        code = self._process.wait(30)
        self._process = None
        return code

    def bootstrap(self, slug: str = "acme", *features: str) -> dict[str, Any]:
        wanted = [part for feature in features for part in ("--feature", feature)]
        done = prestarted().run(
            ["bootstrap", "--workspace", slug, "--json", *self._options, *wanted], self._env
        )
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer
