"""The real agent as a process, in a folder of the test's."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

SOURCE = Path(__file__).parents[2] / "src"


class AgentProcess:
    """`python -m moorage_agent` with its store in a folder; stopped by its process id."""

    # Those that run, for the fixture that leaves none of a test that failed half-way.
    running: ClassVar[list["AgentProcess"]] = []

    def __init__(self, folder: Path, *, python: str = sys.executable) -> None:
        self.folder = folder
        self._python = python
        self._process: subprocess.Popen[bytes] | None = None
        self.log = folder.with_name(f"{folder.name}.log")

    def command(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._python, "-m", "moorage_agent", *arguments, "--dir", str(self.folder)],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env=self._env(),
        )

    def enrol(self, server: str, token: str, *options: str) -> subprocess.CompletedProcess[str]:
        arguments = ("enroll", "--server", server, "--token-file", "-", *options)
        return self.command(*arguments, stdin=token)

    def start(self) -> "AgentProcess":
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._python, "-m", "moorage_agent", "run", "--dir", str(self.folder)],
                stdout=log,
                stderr=log,
                env=self._env(),
            )
        self.running.append(self)
        return self

    @property
    def pid(self) -> int:
        assert self._process is not None
        assert self._process.poll() is None
        return self._process.pid

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> int | None:
        return self._end(signal.SIGTERM)

    def exit_code(self, within_s: float) -> int:
        assert self._process is not None
        return self._process.wait(within_s)

    def _end(self, how: signal.Signals) -> int | None:
        if self._process is None:
            return None
        self._process.send_signal(how)
        code = self._process.wait(30)
        self._process = None
        self.running.remove(self)
        return code

    def status(self) -> dict[str, Any]:
        done = self.command("status", "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def bodies(self) -> list[dict[str, Any]]:
        """Every report body the store still holds, acknowledged or not."""
        with sqlite3.connect(self.folder / "agent.db") as db:
            rows = db.execute("SELECT body FROM reports WHERE body IS NOT NULL").fetchall()
        return [json.loads(row[0]) for row in rows]

    def _env(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MOORAGE")}
        return {**kept, "PYTHONPATH": str(SOURCE), "NO_PROXY": "127.0.0.1"}
