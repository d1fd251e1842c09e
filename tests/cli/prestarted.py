"""Runs `moorage` in a process of its own without starting an interpreter for each call.

A process that has everything imported forks for each call: what a command reads and writes, its
environment and how it ends are its own; only the start, which other tests look at, is left out.
"""

import importlib
import json
import os
import pkgutil
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Sequence

import moorage.cli.owner
from moorage.cli.main import main

WITHIN_S = 60


class Prestarted:
    """The process that forks, and the socket to it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self._socket = ours
        self._socket.settimeout(WITHIN_S)
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())], pass_fds=[theirs.fileno()]
        )
        theirs.close()

    def run(
        self, arguments: Sequence[str], env: dict[str, str], stdin: str
    ) -> subprocess.CompletedProcess[str]:
        with (
            tempfile.TemporaryFile() as given,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as errors,
        ):
            given.write(stdin.encode())
            given.seek(0)
            asked = json.dumps([list(arguments), env]).encode() + b"\n"
            files = [given.fileno(), out.fileno(), errors.fileno()]
            socket.send_fds(self._socket, [asked[:1]], files)
            self._socket.sendall(asked[1:])
            code = int.from_bytes(self._socket.recv(1), "big")
            texts = []
            for file in (out, errors):
                file.seek(0)
                texts.append(file.read().decode())
        return subprocess.CompletedProcess(list(arguments), code, *texts)

    def close(self) -> None:
        self._socket.close()
        self._process.wait(WITHIN_S)


def _serve(listening: socket.socket) -> None:
    for module in pkgutil.walk_packages(moorage.cli.owner.__path__, "moorage.cli.owner."):
        importlib.import_module(module.name)
    while True:
        first, files, _, _ = socket.recv_fds(listening, 1, 3)
        if not first:
            return
        asked = first
        while not asked.endswith(b"\n"):
            asked += listening.recv(65_536)
        child = os.fork()
        if child == 0:
            _run(*json.loads(asked), files)
        for file in files:
            os.close(file)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        listening.sendall(bytes([code & 0xFF]))


def _run(arguments: list[str], env: dict[str, str], files: list[int]) -> None:
    code = 1
    try:
        for number, file in enumerate(files):
            os.dup2(file, number)
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
