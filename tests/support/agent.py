"""The real agent as a process, in a folder of the test's."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

SOURCE = Path(__file__).parents[2] / "src"


class RunningAgent:
    """An agent as a process; stopped by its process id. ``store`` is where its store is."""

    # Those that run, for the fixture that leaves none of a test that failed half-way.
    running: ClassVar[list["RunningAgent"]] = []

    def __init__(self, program: Sequence[str], store: Path, log: Path, env: dict[str, str]) -> None:
        """``program`` is what takes the agent's arguments; ``env`` what it has beside ours."""
        self._program = program
        self.store = store
        self.log = log
        self._given = env
        self._process: subprocess.Popen[bytes] | None = None

    def command(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._called(*arguments),
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

    def start(self) -> Self:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._called("run"), stdout=log, stderr=log, env=self._env()
            )
        self.running.append(self)
        return self

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def ended(self) -> bool:
        """Whether the process is gone; by then it is waited for."""
        return not self.is_running

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
        code = self._process.wait(60)
        self._process = None
        self.running.remove(self)
        return code

    def _called(self, *arguments: str) -> list[str]:
        return [*self._program, *arguments, "--dir", str(self.store)]

    def _env(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MOORAGE")}
        kept.pop("PYTHONPATH", None)
        return {**kept, "NO_PROXY": "127.0.0.1", **self._given}


class AgentProcess(RunningAgent):
    """`python -m moorage_agent` with its store in a folder."""

    def __init__(self, folder: Path, *, python: str = sys.executable) -> None:
        log = folder.with_name(f"{folder.name}.log")
        super().__init__([python, "-m", "moorage_agent"], folder, log, {"PYTHONPATH": str(SOURCE)})
        self.folder = folder

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
