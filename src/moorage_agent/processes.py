"""Services that are plain processes of this machine: started, watched, restarted, ended.

They live as long as the agent: each start of it ends what an earlier one left, found by a mark in
the environment, and begins them anew.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import Any, Dict, List, Optional, Tuple

from moorage_agent.applying_state import FAILED, FINISHED, RESTARTING, RUNNING, Seen
from moorage_agent.drivers import DriverError, OnLine, Outlook
from moorage_agent.units import PROCESS, Unit, Wanted

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
# One that ran so long begins with the shortest pause again.
STABLE_S = 60.0
_LONGEST_LINE = 4000
_DRAIN_WITHIN_S = 2.0
_MARK = "MOORAGE_SERVICE_OF"
_INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "HOME", "TMPDIR")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Python 3.8's Popen has no user, and preexec_fn is not safe beside threads.
_LAUNCH = """
import os, pwd, sys
user, command = sys.argv[1], sys.argv[2:]
os.umask(0o022)
try:
    if user:
        entry = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
        os.initgroups(entry.pw_name, entry.pw_gid)
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
        os.environ["HOME"] = entry.pw_dir
    os.execvp(command[0], command)
except (OSError, KeyError) as error:
    sys.exit("cannot be started: %s" % error)
"""


class Processes:
    """The processes of one agent."""

    name = PROCESS

    def __init__(self, folder: str, on_line: OnLine) -> None:
        """``folder`` is the agent's, by which it knows what it started."""
        self._mark = hashlib.sha256(os.path.realpath(folder).encode()).hexdigest()[:32]
        self._on_line = on_line
        self._guard = threading.Lock()
        self._running: Dict[str, _Supervised] = {}
        self._ticks: Dict[str, Tuple[float, float]] = {}
        self._looked_back = False
        self._closed = False

    def want(self, wanted: Wanted) -> None:
        """Do nothing beside what is asked for."""

    def prepare(self, unit: Unit) -> None:
        """Look whether the command, the user and the folder are there."""
        body = unit.body
        command, path = body["command"][0], body["environment"].get("PATH", _path())
        if shutil.which(command, path=path) is None:
            raise DriverError("the command %s is not there, or cannot be run" % command)
        if body["user"] is not None and _user(body["user"]) is None:
            raise DriverError("there is no user %s on this device" % body["user"])
        folder = body["working_dir"]
        if folder is not None and not os.path.isdir(folder):
            raise DriverError("the folder %s is not there" % folder)

    def start(self, unit: Unit, revision: int) -> None:
        """Start it, unless it is there."""
        self._look_back()
        with self._guard:
            there = self._running.get(unit.name)
            if there is not None and there.unit.digest == unit.digest:
                return
        self.remove(unit.name)
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        environment.setdefault("PATH", _path())
        environment.update(unit.body["environment"])
        environment.update({_MARK: self._mark, "MOORAGE_SERVICE": unit.name})
        environment["MOORAGE_REVISION"] = str(revision)
        self._begin(_Supervised(unit, environment, self._on_line))

    def remove(self, name: str) -> None:
        """Stop it and forget it."""
        with self._guard:
            there = self._running.pop(name, None)
        if there is not None:
            there.end()

    def restart(self, name: str) -> None:
        """End the present process; the next one follows at once."""
        with self._guard:
            there = self._running.get(name)
        if there is None:
            raise DriverError("%s does not run" % name)
        there.end()
        self._begin(there.successor())

    def _begin(self, supervised: "_Supervised") -> None:
        """Have it run, unless all are ended: it would outlive the agent, and nobody knew of it."""
        with self._guard:
            if self._closed:
                raise DriverError("the agent is ending", again=True)
            self._running[supervised.unit.name] = supervised
            supervised.begin()

    def seen(self) -> Dict[str, Seen]:
        """Return what runs; nothing outlives the agent."""
        self._look_back()
        with self._guard:
            return {name: one.seen() for name, one in self._running.items()}

    def stats(self) -> Dict[str, Tuple[Optional[float], Optional[float]]]:
        """Add up each service's processes, which share a session."""
        with self._guard:
            sessions = {name: one.pid for name, one in self._running.items() if one.pid}
        if not sessions:
            return {}
        used = _use_by_session(set(sessions.values()))
        now = time.monotonic()
        found: Dict[str, Tuple[Optional[float], Optional[float]]] = {}
        ticks: Dict[str, Tuple[float, float]] = {}
        for name, session in sessions.items():
            seconds, memory = used.get(session, (0.0, 0.0))
            ticks[name] = (now, seconds)
            before = self._ticks.get(name)
            percent = None
            if before is not None and now > before[0]:
                percent = round(max(seconds - before[1], 0.0) / (now - before[0]) * 100.0, 1)
            found[name] = (percent, round(memory / 2**20, 1))
        self._ticks = ticks
        return found

    def outlook(self, unit: Unit) -> Outlook:
        """Say what ``prepare`` would."""
        try:
            self.prepare(unit)
        except DriverError as error:
            return Outlook(({"kind": "command", "detail": str(error)},))
        return Outlook()

    def close(self) -> None:
        """End all of them, at the same time; none begins after this."""
        with self._guard:
            self._closed = True
            running, self._running = list(self._running.values()), {}
        threads = [threading.Thread(target=one.end) for one in running]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _look_back(self) -> None:
        """Once: end what an agent that was killed has left."""
        with self._guard:
            if self._looked_back:
                return
            self._looked_back = True
        mark = ("%s=%s" % (_MARK, self._mark)).encode()
        for pid in _pids():
            if pid != os.getpid() and mark in _read(pid, "environ").split(b"\0"):
                _signal(os.kill, pid, signal.SIGKILL)


class _Supervised:
    """One service: its present process, and the thread that starts the next one."""

    def __init__(self, unit: Unit, environment: Dict[str, str], on_line: OnLine) -> None:
        self.unit = unit
        self._environment = environment
        self._on_line = on_line
        self._guard = threading.Lock()
        self._ending = threading.Event()
        self._process: Optional["subprocess.Popen[bytes]"] = None
        self._thread = threading.Thread(target=self._run, name=unit.name[:32], daemon=True)
        self._state = RUNNING
        self._starts = 0
        self._error: Optional[str] = None
        self._last_line = ""

    def begin(self) -> None:
        self._thread.start()

    def successor(self) -> "_Supervised":
        return _Supervised(self.unit, self._environment, self._on_line)

    @property
    def pid(self) -> Optional[int]:
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    def seen(self) -> Seen:
        with self._guard:
            process = self._process
            run = "%d.%s" % (self._starts, process.pid if process is not None else "-")
            restarts = max(self._starts - 1, 0)
            digest = self.unit.digest
            return Seen(PROCESS, digest, self._state, run, restarts=restarts, error=self._error)

    def end(self) -> None:
        """Stop it: first asked to, then made to."""
        self._ending.set()
        with self._guard:
            process = self._process
        if process is not None and process.poll() is None:
            _signal(os.killpg, process.pid, signal.SIGTERM)
            try:
                process.wait(self.unit.body["stop_after_s"])
            except subprocess.TimeoutExpired:
                _signal(os.killpg, process.pid, signal.SIGKILL)
        # What it left behind its thread ends, at once: later the number may be somebody else's.
        self._thread.join(_DRAIN_WITHIN_S + 1)

    def _run(self) -> None:
        pause = FIRST_PAUSE_S
        while not self._ending.is_set():
            began = time.monotonic()
            code = self._run_once()
            if self._ending.is_set():
                return
            policy = self.unit.body["restart"]
            again = policy == "always" or (policy == "on-failure" and code != 0)
            if time.monotonic() - began >= STABLE_S:
                pause = FIRST_PAUSE_S
            with self._guard:
                self._error = None if code == 0 else self._why(code)
                self._state = RESTARTING if again else FAILED if code else FINISHED
            if not again:
                return
            self._ending.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)

    def _why(self, code: int) -> str:
        how = "exit code %d" % code if code >= 0 else "ended by signal %d" % -code
        return "%s: %s" % (how, self._last_line[:200]) if self._last_line else how

    def _run_once(self) -> int:
        """Run one process to its end; return its exit code, negative for a signal."""
        body = self.unit.body
        launch = [sys.executable, "-I", "-S", "-c", _LAUNCH, body["user"] or ""]
        with self._guard:
            if self._ending.is_set():
                return 0
            self._starts += 1
            try:
                process = subprocess.Popen(  # noqa: S603 - what the owner configured
                    [*launch, *body["command"]],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    cwd=body["working_dir"] or "/",
                    env=self._environment,
                    start_new_session=True,
                )
            except OSError as error:
                self._last_line = str(error)
                return 126
            self._process, self._state = process, RUNNING
        reader = threading.Thread(target=self._read, args=(process,), daemon=True)
        reader.start()
        code = process.wait()
        # What it started itself, and left behind, would hold its output and its ports.
        _signal(os.killpg, process.pid, signal.SIGKILL)
        reader.join(_DRAIN_WITHIN_S)
        return code

    def _read(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None
        with process.stdout as output:
            while True:
                line = output.readline(_LONGEST_LINE)
                if not line:
                    return
                text = line.decode("utf-8", "replace").rstrip()
                if text:
                    self._last_line = text
                    self._on_line(self.unit.name, None, text)


def _path() -> str:
    return os.environ.get("PATH") or _PATH


def _user(name: str) -> Optional[str]:
    try:
        entry = pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    except KeyError:
        return None
    return entry.pw_name


def _signal(way: Any, pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        way(pid, number)


def _pids() -> List[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _read(pid: int, name: str) -> bytes:
    try:
        with open("/proc/%d/%s" % (pid, name), "rb") as file:
            return file.read(256 * 1024)
    except OSError:
        return b""


def _use_by_session(wanted: Any) -> Dict[int, Tuple[float, float]]:
    """Return (seconds of CPU, bytes of memory) by session id."""
    hertz, page = float(os.sysconf("SC_CLK_TCK")), os.sysconf("SC_PAGE_SIZE")
    found: Dict[int, Tuple[float, float]] = {}
    for pid in _pids():
        # The name in parentheses may hold spaces and parentheses of its own.
        columns = _read(pid, "stat").rpartition(b")")[2].split()
        if len(columns) < 22 or int(columns[3]) not in wanted:
            continue
        session = int(columns[3])
        seconds, memory = found.get(session, (0.0, 0.0))
        seconds += (int(columns[11]) + int(columns[12])) / hertz
        found[session] = (seconds, memory + int(columns[21]) * page)
    return found
