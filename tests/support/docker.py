"""A Docker Engine of the test's own: Debian's docker.io, its own socket, its own folders."""

import ctypes
import io
import os
import shutil
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from moorage_agent.drivers import DriverError
from moorage_agent.engine import Engine

IMAGE = "busybox-of-the-test"
_STARTS_WITHIN_S = 60
_CLONE_NEWNET = 0x40000000
_Made = TypeVar("_Made")
# A network and a small disk of its own, which are gone with it.
_APART = """
set -e
busybox ip link set lo up
mkdir -p "$1"
mount -t tmpfs -o "size=$2m" tmpfs "$1"
shift 2
exec "$@"
"""


class DockerProcess:
    """`dockerd` with networks off, so that it changes nothing of the machine's; ended by its id.

    ``disk_mb``: in a network of its own, with a bridge and ports, and on a disk of that size. Its
    runtime ``nvidia`` is the usual one by another name.
    """

    def __init__(self, folder: Path, disk_mb: int | None = None) -> None:
        self._folder = folder
        self._disk_mb = disk_mb
        # A socket's address is at most 107 bytes long.
        self.socket = str(folder / "d.sock")
        self.engine = Engine(self.socket)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "DockerProcess":
        """Start it and wait until it answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        command = [
            "dockerd",
            *("--data-root", self._folder / "data"),
            *("--exec-root", self._folder / "exec"),
            *("--host", f"unix://{self.socket}"),
            *("--pidfile", self._folder / "pid"),
            *("--iptables=false", "--ip6tables=false", "--storage-driver=vfs"),
            *(["--bridge=none"] if self._disk_mb is None else self._apart_options()),
        ]
        if self._disk_mb is not None:
            apart = ["sh", "-c", _APART, "sh", self._folder / "data", str(self._disk_mb)]
            command = ["unshare", "--net", "--mount", *apart, *command]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + _STARTS_WITHIN_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                self.engine.call("GET", "/_ping")
            except DriverError:
                time.sleep(0.1)
            else:
                return self
        self.stop()
        raise RuntimeError("dockerd did not start: " + self.log()[-500:])

    def _apart_options(self) -> list[str]:
        runc = shutil.which("runc", path="/usr/sbin:/usr/bin") or "runc"
        bridge = ["--bip=172.30.255.1/24", "--ip-forward=false", "--ip-masq=false"]
        return [*bridge, f"--add-runtime=nvidia={runc}"]

    def apart(self, make: Callable[[], _Made]) -> _Made:
        """Make something in its network: a socket stays where it was made."""
        assert self._process is not None
        made: list[_Made] = []
        wrong: list[OSError] = []

        def work() -> None:
            libc = ctypes.CDLL(None, use_errno=True)
            with Path(f"/proc/{self._process.pid}/ns/net").open() as namespace:
                # Of this thread alone.
                if libc.setns(namespace.fileno(), _CLONE_NEWNET) != 0:
                    wrong.append(OSError(ctypes.get_errno(), "setns"))
                    return
            try:
                made.append(make())
            except OSError as error:
                wrong.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        if wrong:
            raise wrong[0]
        return made[0]

    def used_bytes(self) -> int:
        """What is used of its disk."""
        assert self._process is not None
        disk = os.statvfs(f"/proc/{self._process.pid}/root{self._folder}/data")
        return (disk.f_blocks - disk.f_bfree) * disk.f_frsize

    def log(self) -> str:
        return (self._folder / "log").read_text(errors="replace")

    def stop(self) -> None:
        """End it, and what it mounted."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        for line in reversed(Path("/proc/mounts").read_text().splitlines()):
            place = line.split()[1]
            if place.startswith(f"{self._folder}/"):
                subprocess.run(["umount", "-l", place], check=False)

    def remove_all(self) -> None:
        """Leave no container."""
        for one in self.engine.call("GET", "/containers/json", query={"all": 1}):
            self.engine.call("DELETE", f"/containers/{one['Id']}?force=1")

    def remove_images(self, prefix: str) -> None:
        """Leave no image whose name begins so."""
        for one in self.engine.call("GET", "/images/json"):
            names = [*(one["RepoTags"] or ()), *(one["RepoDigests"] or ())]
            if any(name.startswith(prefix) for name in names):
                self.engine.call("DELETE", f"/images/{one['Id']}?force=1")

    def import_busybox(self, tag: str = "1", **changes: str) -> str:
        """Make an image of the machine's static busybox; return its name."""
        name = f"{IMAGE}:{tag}"
        query = {"fromSrc": "-", "repo": IMAGE, "tag": tag}
        path = "/images/create"
        for _told in self.engine.progress(path, query=query, file=io.BytesIO(busybox_tar(changes))):
            pass
        return name

    def images(self) -> list[str]:
        found = self.engine.call("GET", "/images/json")
        return [tag for one in found for tag in one["RepoTags"] or ()]


def busybox_tar(files: dict[str, str]) -> bytes:
    """The file system of a container that has a shell, and what a shell is used for."""
    busybox = Path(shutil.which("busybox", path="/bin:/usr/bin") or "")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder in ("bin", "tmp", "etc"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o777
            tar.addfile(entry)
        for place, source in [("bin/busybox", busybox), *[(str(p), p) for p in libraries(busybox)]]:
            data = source.read_bytes()
            entry = tarfile.TarInfo(place.lstrip("/"))
            entry.size, entry.mode = len(data), 0o755
            tar.addfile(entry, io.BytesIO(data))
        for applet in ("sh", "sleep", "echo", "true", "false", "env", "cat", "test", "ls", "date"):
            entry = tarfile.TarInfo(f"bin/{applet}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(entry)
        for name, text in {"etc/passwd": "root:x:0:0::/:/bin/sh\n", **files}.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text), 0o644
            tar.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


def why_not() -> str | None:
    """Why no engine can run here, or None."""
    if os.geteuid() != 0:
        return "a Docker Engine needs root"
    if shutil.which("dockerd") is None:
        return "no dockerd on this machine (Debian: apt-get install docker.io)"
    busybox = shutil.which("busybox", path="/bin:/usr/bin")
    if busybox is None:
        return "no busybox on this machine (Debian: apt-get install busybox-static)"
    return None


def libraries(binary: Path) -> list[Path]:
    """What a binary needs beside it: nothing when it is static."""
    told = subprocess.run(["ldd", binary], capture_output=True, text=True, check=False).stdout
    return [Path(word) for word in told.split() if word.startswith("/") and ":" not in word]


def started(folder: Path, disk_mb: int | None = None) -> DockerProcess:
    """Start one, or skip with what stands against it."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    made = DockerProcess(folder, disk_mb)
    try:
        return made.start()
    except RuntimeError as error:
        said = str(error).lower()
        if "permission denied" in said or "operation not permitted" in said:
            pytest.skip(f"a Docker Engine cannot run here: {error}")
        raise
