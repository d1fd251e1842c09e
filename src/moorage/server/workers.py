"""Several server processes behind one port: a parent that starts, watches and ends them.

The parent opens nothing but pipes, so that it can fork a worker anew at any time. It answers no
request; when it is gone, whatever took it, its workers finish what they have and end.
"""

import contextlib
import os
import random
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Final, NoReturn, TypeAlias

import structlog

from moorage.server.opening import SetupError
from moorage.storage import StorageError

_log = structlog.get_logger("moorage.server")
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
# A worker that lived so long did not die of how it was started.
_STEADY_S = 60.0
# What a worker takes to finish its requests and reports, and some.
_END_WITHIN_S = 40.0
_LOOK_EVERY_S = 1.0
_READY: Final = b"ready"
ENDINGS: Final = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class Place:
    """What a worker has from its parent.

    ``number`` counts from 1. ``lifeline`` can be read, to its end, once the parent is gone.
    ``ready`` is to be called when requests are answered.
    """

    number: int
    lifeline: int
    ready: Callable[[], None]


Work: TypeAlias = Callable[[Place], None]


@dataclass
class _Worker:
    number: int
    pid: int = 0
    report: int = -1
    told: bytes = b""
    began: float = 0.0
    pause_s: float = _FIRST_PAUSE_S
    start_at: float = 0.0

    @property
    def ready(self) -> bool:
        return self.told == _READY


class Supervisor:
    """Runs ``count`` workers until SIGINT or SIGTERM; SIGHUP is not minded."""

    def __init__(self, count: int, work: Work) -> None:
        """Keep the parts; nothing is started before ``run``."""
        self._work = work
        self._workers = [_Worker(number) for number in range(1, count + 1)]
        self._ending = False
        self._lifeline = os.pipe()
        self._woken = os.pipe()

    def run(self) -> None:
        """Start all and watch them; return when all have ended.

        Raises:
            SetupError: the first could not start; its own words.

        """
        for end in self._woken:
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._woken[1], warn_on_full_buffer=False)
        for ending in ENDINGS:
            signal.signal(ending, self._told_to_end)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        first = self._workers[0]
        self._start(first)
        while first.pid and not first.ready and not self._ending:
            self._look()
        if not first.ready and not self._ending:
            raise SetupError(
                first.told.decode(errors="replace") or "the first worker ended at once"
            )
        _log.info("workers", count=len(self._workers))
        while not self._ending:
            for worker in self._workers:
                if not worker.pid and time.monotonic() >= worker.start_at:
                    self._start(worker)
            self._look()
        self._end()

    def _told_to_end(self, _signal: int, _frame: FrameType | None) -> None:
        self._ending = True

    def _start(self, worker: _Worker) -> None:
        report, told = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            os.close(report)
            self._become(worker.number, told)
        os.close(told)
        worker.pid, worker.report, worker.told = pid, report, b""
        worker.began = time.monotonic()

    def _become(self, number: int, told: int) -> NoReturn:
        """Be a worker, from the fork to the exit."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for other in self._workers:
                if other.report >= 0:
                    os.close(other.report)
            for end in (self._lifeline[1], *self._woken):
                os.close(end)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            # A terminal sends SIGINT to all of them; the parent decides, and says SIGTERM.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            self._work(Place(number, self._lifeline[0], lambda: _tell(told, _READY)))
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        except (SetupError, StorageError) as error:
            _tell(told, str(error).encode())
            _log.error("worker_failed", reason=str(error))
        except BaseException as error:  # noqa: BLE001 - the last place that can tell of it
            _log.error("worker_failed", exc_info=error)
        finally:
            with contextlib.suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _look(self) -> None:
        """Wait for something to happen, and take note of it."""
        waits = [worker.start_at - time.monotonic() for worker in self._workers if not worker.pid]
        pause = max(0.0, min([*waits, _LOOK_EVERY_S]))
        reports = {worker.report: worker for worker in self._workers if worker.report >= 0}
        readable, _, _ = select.select([self._woken[0], *reports], [], [], pause)
        for end in readable:
            with contextlib.suppress(BlockingIOError):
                text = os.read(end, 4096)
                if end in reports:
                    self._hear(reports[end], text)
        for worker in self._workers:
            self._reap(worker)

    def _hear(self, worker: _Worker, text: bytes) -> None:
        worker.told += text
        if not text or worker.ready:
            os.close(worker.report)
            worker.report = -1

    def _reap(self, worker: _Worker) -> None:
        if not worker.pid:
            return
        ended, status = os.waitpid(worker.pid, os.WNOHANG)
        if not ended:
            return
        while worker.report >= 0:
            self._hear(worker, os.read(worker.report, 4096))
        now = time.monotonic()
        worker.pid = 0
        if self._ending:
            return
        pause = _FIRST_PAUSE_S if now - worker.began > _STEADY_S else worker.pause_s
        worker.pause_s = min(pause * 2, _LONGEST_PAUSE_S)
        worker.start_at = now + pause * random.uniform(0.8, 1.2)  # noqa: S311 - spread, no secret
        code = os.waitstatus_to_exitcode(status)
        _log.warning(
            "worker_ended", ended=worker.number, exit_code=code, again_in_s=round(pause, 1)
        )

    def _end(self) -> None:
        deadline = time.monotonic() + _END_WITHIN_S
        self._signal(signal.SIGTERM)
        while self._left() and time.monotonic() < deadline:
            self._look()
        if self._left():
            _log.error("workers_killed", count=self._left())
            self._signal(signal.SIGKILL)
            while self._left():
                self._look()
            raise SystemExit(1)

    def _left(self) -> int:
        return sum(worker.pid > 0 for worker in self._workers)

    def _signal(self, how: signal.Signals) -> None:
        for worker in self._workers:
            if worker.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker.pid, how)


def _tell(told: int, text: bytes) -> None:
    with contextlib.suppress(OSError):
        os.write(told, text[:4096])
