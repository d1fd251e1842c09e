"""Runs `moorage` in processes of their own without starting an interpreter for each.

A process that has everything imported forks for each command: what it reads and writes, its
environment, its process id and how it ends are its own. Only the start of an interpreter, which
other tests look at, is left out; it would be half of all the time these tests take.
"""

import atexit
import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Sequence
from functools import cache
from typing import Any

WITHIN_S = 60


class Child:
    """A command that runs, with as much of ``subprocess.Popen`` as tests use."""

    def __init__(self, parent: "Prestarted", pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._parent = parent

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._parent.ask({"poll": self.pid})
        return self.returncode

    def wait(self, timeout: float = WITHIN_S) -> int:
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("moorage", timeout)
            time.sleep(0.005)
        return code

    def send_signal(self, how: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, how)


class Prestarted:
    """The process that forks, and the socket to it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self._socket = ours
        self._socket.settimeout(WITHIN_S)
        self._turn = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())], pass_fds=[theirs.fileno()]
        )
        theirs.close()

    def run(
        self, arguments: Sequence[str], env: dict[str, str], stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        with (
            tempfile.TemporaryFile() as given,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as errors,
        ):
            given.write(stdin.encode())
            given.seek(0)
            files = [given.fileno(), out.fileno(), errors.fileno()]
            code = self.spawn(arguments, env, files).wait()
            texts = []
            for file in (out, errors):
                file.seek(0)
                texts.append(file.read().decode())
        return subprocess.CompletedProcess(list(arguments), code, *texts)

    def spawn(self, arguments: Sequence[str], env: dict[str, str], files: list[int]) -> Child:
        """Begin a command; ``files`` become its standard input, output and error."""
        pid = self.ask({"arguments": list(arguments), "env": env}, files)
        assert pid is not None
        return Child(self, pid)

    def ask(self, what: dict[str, Any], files: Sequence[int] = ()) -> int | None:
        asked = json.dumps(what).encode() + b"\n"
        with self._turn:
            socket.send_fds(self._socket, [asked[:1]], list(files))
            self._socket.sendall(asked[1:])
            answer: int | None = json.loads(_line(self._socket))
        return answer

    def close(self) -> None:
        self._socket.close()
        self._process.wait(WITHIN_S)


@cache
def prestarted() -> Prestarted:
    """Return the one of this test process."""
    started = Prestarted()
    atexit.register(started.close)
    return started


def _line(connection: socket.socket) -> bytes:
    told = b""
    while not told.endswith(b"\n"):
        more = connection.recv(65_536)
        if not more:
            raise EOFError("the process that forks has ended")
        told += more
    return told


def _serve(listening: socket.socket) -> None:
    import moorage.cli  # noqa: PLC0415 - the commands' own imports are what this process is for

    for module in pkgutil.walk_packages(moorage.cli.__path__, "moorage.cli."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    importlib.import_module("moorage.server.run")
    while True:
        first, files, _, _ = socket.recv_fds(listening, 1, 3)
        if not first:
            return
        asked = json.loads(first + _line(listening))
        if "poll" in asked:
            ended, status = os.waitpid(asked["poll"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if ended else None
        else:
            answer = os.fork()
            if answer == 0:
                listening.close()
                _run(asked["arguments"], asked["env"], files)
            for file in files:
                os.close(file)
        listening.sendall(json.dumps(answer).encode() + b"\n")


def _run(arguments: list[str], env: dict[str, str], files: list[int]) -> None:
    from moorage.cli.main import main  # noqa: PLC0415 - as above

    code = 1
    try:
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        os.environ.clear()
        os.environ.update(env)
        sys.argv = ["moorage", *arguments]
        main(arguments)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - as an interpreter does at its end
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
