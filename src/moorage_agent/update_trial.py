"""A newer agent on trial: it runs in this one's place, as its child, until it has proved itself.

The present file keeps its name all the while, so whatever goes wrong, and whenever the power goes,
what starts next is the agent that worked. Only one that got a report acknowledged takes the name.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import IO, List, Optional

from moorage_agent import clock, environment, installed, restart
from moorage_agent.installed import App
from moorage_agent.logs import log

# Set for the one on trial: the file it makes once a report of its own was acknowledged. Part of
# what agents of all versions promise each other.
MARK = "MOORAGE_AGENT_TRIAL"
# How long it may take to prove itself, and how long it has to run on after that.
TRIAL_S = "MOORAGE_AGENT_TRIAL_S"
STABLE_S = "MOORAGE_AGENT_STABLE_S"
_DEFAULT_TRIAL_S = 300.0
_DEFAULT_STABLE_S = 10.0
_LOOK_EVERY_S = 0.1
_ENDS_WITHIN_S = 8.0
_LONGEST_WORDS = 500
# The child dies with this process, whatever it is made of: the kernel sees to it, asked for by
# PR_SET_PDEATHSIG. Where that cannot be asked for, a service manager ends both.
_BOUND = """
import os, signal, sys
try:
    import ctypes
    ctypes.CDLL(None).prctl(1, int(signal.SIGKILL), 0, 0, 0)
except (ImportError, OSError, AttributeError):
    pass
if os.getppid() != int(sys.argv[1]):
    sys.exit("the agent that wanted this trial is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""


def is_on() -> bool:
    """Whether this process is the one on trial."""
    return bool(os.environ.get(MARK))


def prove() -> None:
    """Say that this agent works: a report that it made was acknowledged."""
    path = os.environ.get(MARK)
    if not path or os.path.exists(path):
        return
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write("acknowledged\n")
    except OSError as error:
        log.error("the trial's mark cannot be made: %s", error)


class Trial:
    """One trial of what is beside the agent's file. For the main thread of a process."""

    def __init__(self, app: App, folder: str) -> None:
        """``folder``: where the mark is made; nobody else writes there."""
        self._app = app
        self._mark = os.path.join(folder, "trial")
        self._last_words = ""
        # Whether this process was told to end meanwhile; why the new agent is not run now.
        self.stopped = False
        self.failure = ""

    def stop(self) -> None:
        """End it soon; safe in a signal handler."""
        self.stopped = True

    def run(self) -> Optional[str]:
        """Run it until it has proved itself; return None then, else why it has not."""
        program = installed.program_with(self._app, self._app.next)
        if program is None:
            return "the agent cannot tell how it was started"
        _discard(self._mark)
        try:
            child = self._started([*program, *sys.argv[1:]])
        except OSError as error:
            return "it cannot be started: %s" % error
        try:
            return self._watch(child)
        finally:
            _end(child)
            _discard(self._mark)

    def _started(self, command: List[str]) -> "subprocess.Popen[bytes]":
        # Isolated: what lies in the folder that the agent was started in is none of its modules.
        bound = [sys.executable, "-I", "-c", _BOUND, str(os.getpid()), *command]
        child = subprocess.Popen(  # noqa: S603 - this very program, of another version
            bound,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, MARK: self._mark},
        )
        listening = threading.Thread(target=self._listen, args=(child.stderr,), daemon=True)
        listening.start()
        return child

    def _listen(self, stream: IO[bytes]) -> None:
        """Pass on what it says, and keep the last of it: why it ended stands there."""
        for line in stream:
            try:
                sys.stderr.buffer.write(line)
                sys.stderr.buffer.flush()
            except (AttributeError, OSError, ValueError):
                pass  # nobody listens; a pipe that nobody empties would hold the new agent up
            self._last_words = line.decode("utf-8", "replace").strip() or self._last_words

    def _watch(self, child: "subprocess.Popen[bytes]") -> Optional[str]:
        trial_s = environment.seconds(TRIAL_S, _DEFAULT_TRIAL_S)
        stable_s = environment.seconds(STABLE_S, _DEFAULT_STABLE_S)
        began, proven_at = clock.now().steady, None
        while not self.stopped:
            now = clock.now().steady
            code = child.poll()
            if code is not None:
                return self._ended(code)
            if proven_at is None and os.path.exists(self._mark):
                proven_at = now
            if proven_at is not None and now - proven_at >= stable_s:
                return None
            if proven_at is None and now - began >= trial_s:
                return "no report of it was acknowledged within %g s" % trial_s
            time.sleep(_LOOK_EVERY_S)
        return "the agent was told to end while the new one was on trial"

    def _ended(self, code: int) -> str:
        how = "with exit code %d" % code if code >= 0 else "by signal %d" % -code
        # What it said last may still be on its way.
        time.sleep(_LOOK_EVERY_S)
        said = self._last_words[-_LONGEST_WORDS:]
        return "it ended %s%s" % (how, ": " + said if said else "")


def _end(child: "subprocess.Popen[bytes]") -> None:
    """End it, by force if it has to be; return when it is gone."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            child.kill()
    child.wait()


def try_out(app: App, folder: str) -> Trial:
    """Try what is beside the file, and become it if it proves itself. For the main thread.

    Returns only when it does not, or cannot be become: ``failure`` says why. The caller has closed
    the store and let go of its lock, and opens both again then.
    """
    trial = Trial(app, folder)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: trial.stop())
    trial.failure = trial.run() or _take_over(app)
    return trial


def _take_over(app: App) -> str:
    """Give the proven one the name, and become it. Returns only when that failed, with why."""
    try:
        installed.swap(app)
    except OSError as error:
        return "the new file cannot take the place of the present one: %s" % error
    reason = restart.restart()
    try:
        installed.swap_back(app)
    except OSError as error:
        reason += "; and the file before cannot be put back: %s" % error
    return reason


def _discard(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
