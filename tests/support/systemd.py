"""A systemd of a test's own: process 1 of namespaces where nothing of the machine can be changed.

It sees the machine's files through an overlay that lives in memory, has a loopback interface and
nothing else of a network, and a control group of its own. It ends with its process 1.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

SYSTEMD = Path("/lib/systemd/systemd")
_RUNS_WITHIN_S = 30
_CGROUPS = Path("/sys/fs/cgroup")
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

# In namespaces of their own already. Arguments: the folder, then pairs of what is to be seen and
# where: the machine's own /tmp is not, nor are homes by whom systemd locks in. Everybody may read
# it there, also when who runs the tests keeps what they make to themselves (umask 077).
_BOOT = r"""
set -eu
umask 022
folder=$1
shift
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$folder"
mkdir "$folder/upper" "$folder/work" "$folder/root"
mount -t overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" overlay "$folder/root"
cd "$folder/root"
while [ $# -gt 0 ]; do
    part="$folder/parts/$#"
    mkdir -p ".$2" "$part/upper" "$part/work"
    layers="lowerdir=$1,upperdir=$part/upper,workdir=$part/work"
    mount -t overlay -o "$layers,metacopy=on" overlay ".$2"
    find ".$2" \( -type d ! -perm -005 -o -type f ! -perm -004 \) -exec chmod o+rX {} +
    shift 2
done
mount -t proc proc proc
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs tmpfs tmp
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount --rbind /sys sys
mount -o remount,bind,ro sys
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/shm dev/pts dev/mqueue dev/hugepages
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for node in null zero full random urandom tty; do
    touch "dev/$node"
    mount --bind "/dev/$node" "dev/$node"
done
exec chroot . /lib/systemd/systemd --system --unit=basic.target --log-target=console
"""


def why_not() -> str | None:
    """Why no systemd can run here, or None."""
    if os.geteuid() != 0:
        return "a systemd of the tests' own needs root"
    if not SYSTEMD.exists():
        return "no systemd on this machine (Debian: apt-get install systemd)"
    allowed = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    places = _places()
    if allowed.returncode or not places or not all(os.access(at, os.W_OK) for at in places):
        return "root here may make no namespaces or control groups, as in most containers"
    return None


class Systemd:
    """Runs commands beside process 1, by its number outside."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command in there, as root."""
        inside = ["nsenter", "--target", str(self.pid), "--all", "--root", "--wd=/"]
        return subprocess.run(
            [*inside, *map(str, command)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={"PATH": _PATH, "HOME": "/root", "LANG": "C.UTF-8"},
        )

    def shown(self, unit: str, *names: str) -> dict[str, str]:
        """What systemd has of a unit."""
        told = self.run("systemctl", "show", unit, "--property", ",".join(names)).stdout
        return dict(line.split("=", 1) for line in told.splitlines())


@contextmanager
def booted(folder: Path, seen: Mapping[Path, str]) -> Iterator[Systemd]:
    """Start one; the folder becomes the mount point of its files, and is gone again afterwards.

    ``seen``: folders of the machine, and where they are in there.
    """
    folder.mkdir()
    groups = [_group(folder.parent.name, at) for at in _places()]
    spaces = ["--mount", "--pid", "--uts", "--ipc", "--cgroup", "--net", "--fork", "--kill-child"]
    joined = "; ".join(f"echo $$ > {group / 'cgroup.procs'}" for group in groups)
    told = [str(part) for pair in seen.items() for part in pair]
    with (folder.parent / "systemd.log").open("wb") as log:
        outer = subprocess.Popen(
            [
                *("sh", "-c", f'{joined}; exec unshare {" ".join(spaces)} sh -c "$0" sh "$@"'),
                *(_BOOT, str(folder), *told),
            ],
            stdout=log,
            stderr=log,
            env={"PATH": _PATH, "container": "lxc"},
        )
    try:
        yield _ready(outer, folder.parent / "systemd.log")
    finally:
        outer.send_signal(signal.SIGKILL)  # and with it process 1, and with that all others
        outer.wait(30)
        for group in groups:
            _remove(group)
        shutil.rmtree(folder, ignore_errors=True)


def _ready(outer: subprocess.Popen[bytes], log: Path) -> Systemd:
    deadline = time.monotonic() + _RUNS_WITHIN_S
    state = "not there"
    while time.monotonic() < deadline and outer.poll() is None:
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
        if children and Path(f"/proc/{children[0]}/comm").read_text() == "systemd\n":
            found = Systemd(int(children[0]))
            state = found.run("systemctl", "is-system-running").stdout.strip()
            # Degraded: a unit of the machine's own does not work in here.
            if state in {"running", "degraded"}:
                return found
        time.sleep(0.1)
    said = log.read_text(errors="replace")[-2000:]
    raise RuntimeError(f"systemd did not start, it is {state}:\n{said}")


def _places() -> list[Path]:
    """Where systemd keeps its groups: in one hierarchy, or as before beside others."""
    if (_CGROUPS / "cgroup.controllers").exists():
        return [_CGROUPS]
    return [at for at in (_CGROUPS / "systemd", _CGROUPS / "unified") if at.is_dir()]


def _group(name: str, below: Path) -> Path:
    group = below / f"moorage-{name}-{os.getpid()}"
    group.mkdir()
    return group


def _remove(group: Path) -> None:
    deadline = time.monotonic() + 10
    while group.exists():
        try:
            for path, _, _ in os.walk(group, topdown=False):
                Path(path).rmdir()
        except OSError:  # what was killed takes a moment to leave
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
