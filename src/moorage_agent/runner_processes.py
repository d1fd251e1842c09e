"""A program that a stream runs: a process group of its own, read without waiting, ended whole."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import threading
import time
from typing import Dict, List, Optional, Sequence, Tuple

from moorage_agent.runner_base import RunnerError

# Between asking a process to end and ending it; with what is left both fit in two seconds.
_GRACE_S = 1.2
_LOOK_S = 0.02
_BETWEEN_READS_S = 0.02
_CHUNK = 65536
_LONGEST_LINE = 65536


class Lines:
    """Makes lines of bytes; one that is too long is cut, the rest of it dropped."""

    def __init__(self) -> None:
        """Start empty."""
        self._rest = b""
        self._skipping = False

    def feed(self, data: bytes) -> List[str]:
        """Take bytes in; return the lines that are whole now."""
        lines = []
        parts = (self._rest + data).split(b"\n")
        self._rest = parts.pop()
        for part in parts:
            if self._skipping:
                self._skipping = False
            else:
                lines.append(part)
        if self._skipping:
            self._rest = b""
        elif len(self._rest) > _LONGEST_LINE:
            lines.append(self._rest)
            self._rest, self._skipping = b"", True
        decoded = (line[:_LONGEST_LINE].decode("utf-8", "replace").strip() for line in lines)
        return [line for line in decoded if line]

    def rest(self) -> List[str]:
        """Return what was left without an end of line."""
        return self.feed(b"\n") if self._rest else []


class Wake:
    """Wakes a thread that waits in ``select``."""

    def __init__(self) -> None:
        """Make the pipe."""
        self.fd, self._in = os.pipe()
        self._guard = threading.Lock()
        self._closed = False
        os.set_blocking(self.fd, False)
        os.set_blocking(self._in, False)

    def set(self) -> None:
        """Wake it; from any thread, also after ``close``."""
        with self._guard:
            if not self._closed:
                try:
                    os.write(self._in, b".")
                except BlockingIOError:
                    return  # it is full of reasons to wake up

    def clear(self) -> None:
        """Take what woke us."""
        try:
            while os.read(self.fd, 4096):
                continue
        except BlockingIOError:
            return

    def close(self) -> None:
        """Let go of the pipe."""
        with self._guard:
            if not self._closed:
                self._closed = True
                os.close(self.fd)
                os.close(self._in)


class Child:
    """One process with its group. Belongs to one thread."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        wake: Wake,
        environment: Optional[Dict[str, str]] = None,
        extra_outputs: Sequence[int] = (),
    ) -> None:
        """Start it. ``extra_outputs``: ends of pipes, for the process, closed here after.

        Raises:
            RunnerError: there is no such program, or it could not be started.

        """
        try:
            self._process = subprocess.Popen(  # noqa: S603 - what the config says
                list(arguments),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env=environment,
                pass_fds=tuple(extra_outputs),
                start_new_session=True,
            )
        except (FileNotFoundError, PermissionError) as error:
            raise RunnerError("cannot run %s: %s" % (arguments[0], error.strerror)) from None
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            raise RunnerError("cannot start %s: %s" % (arguments[0], error)) from None
        finally:
            for fd in extra_outputs:
                os.close(fd)
        self.pid = self._process.pid
        self._wake = wake
        self._selector = selectors.DefaultSelector()
        self._selector.register(wake.fd, selectors.EVENT_READ, "wake")
        self._open = 0
        self._read_at = 0.0
        self._own: List[int] = []
        for name, pipe in (("stdout", self._process.stdout), ("stderr", self._process.stderr)):
            if pipe is not None:
                self._watch(pipe.fileno(), name)
        if self._process.stdin is not None:
            os.set_blocking(self._process.stdin.fileno(), False)

    def watch(self, fd: int, name: str) -> None:
        """Read from that end of a pipe as well; it is closed here."""
        self._own.append(fd)
        self._watch(fd, name)

    def _watch(self, fd: int, name: str) -> None:
        os.set_blocking(fd, False)
        self._selector.register(fd, selectors.EVENT_READ, name)
        self._open += 1

    def write(self, data: bytes) -> None:
        """Put bytes on its standard input, all of them. Raises RunnerError."""
        stdin = self._process.stdin
        try:
            written = 0 if stdin is None else os.write(stdin.fileno(), data)
        except BlockingIOError:
            raise RunnerError("the command does not read what it is told") from None
        except (OSError, ValueError):
            raise RunnerError("the command does not run right now") from None
        if written != len(data):
            raise RunnerError("the command does not read what it is told")

    def end_input(self) -> None:
        """Close its standard input."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def read(self, within_s: float) -> List[Tuple[str, bytes]]:
        """Return what it wrote, by name; empty when nothing came in time or we were woken."""
        told = []
        # One that floods is read in gulps, fifty a second; what it cannot write yet, it waits for.
        self._breathe()
        if not self._open:
            # All its pipes are closed; what is left to wait for is its end.
            within_s = min(within_s, 0.2)
        for key, _ in self._selector.select(within_s):
            if key.data == "wake":
                self._wake.clear()
                continue
            try:
                data = os.read(key.fd, _CHUNK)
            except BlockingIOError:
                continue
            except OSError:
                data = b""
            if data:
                self._read_at = time.monotonic()
                told.append((str(key.data), data))
            else:
                self._selector.unregister(key.fd)
                self._open -= 1
        return told

    def _breathe(self) -> None:
        pause = self._read_at + _BETWEEN_READS_S - time.monotonic()
        if pause > 0:
            time.sleep(pause)

    def ended(self) -> bool:
        """Whether it ended; it is not reaped yet, so its id is still its own."""
        if self._process.returncode is not None:
            return True
        if not hasattr(os, "waitid"):
            return self._process.poll() is not None
        try:
            flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
            return os.waitid(os.P_PID, self.pid, flags) is not None
        except ChildProcessError:
            return True

    def end(self) -> int:
        """End it with all its group, within two seconds; return its exit code."""
        if not self.ended():
            self._signal(signal.SIGTERM)
            deadline = time.monotonic() + _GRACE_S
            while not self.ended() and time.monotonic() < deadline:
                time.sleep(_LOOK_S)
        # Also when it ended by itself: its children may not have. It is not reaped yet, so nobody
        # else can have got the number of its group.
        self._signal(signal.SIGKILL)
        self._selector.close()
        for fd in self._own:
            os.close(fd)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        try:
            return self._process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            # A driver in trouble holds it where no signal reaches; it is left to the system.
            return -signal.SIGKILL

    def _signal(self, number: int) -> None:
        if self._process.returncode is None:
            try:
                os.killpg(self.pid, number)
            except OSError:
                return
