"""What all streams share, whatever runs them: states, a thread each, trying again.

Their methods return at once; what takes time is done in the thread of the stream. Nothing here
knows what a stream is made of.
"""

from __future__ import annotations

import random
import threading
import time
from typing import Any, Callable, Dict, Optional

from moorage_agent import clock
from moorage_agent.logs import log
from moorage_agent.runner_secrets import Secrets

# Called from threads, with where a line comes from, its severity and its text.
OnLine = Callable[[str, str, str], None]

STARTING = "starting"
RUNNING = "running"
PAUSED = "paused"
# The camera, or what stands between it and us, cannot be reached; it is tried again.
RECONNECTING = "reconnecting"
# Something else is wrong; ``error`` says what, and whether the config has to change.
ERROR = "error"
ENDED = "ended"
STOPPING = "stopping"
STOPPED = "stopped"

# In characters: what a report takes.
LONGEST_ID = 128
LARGEST_SNAPSHOT = 512 * 1024
_LONGEST_ERROR = 1000
_LONGEST_LINE = 4000
_MOST_LINES_A_MINUTE = 120
# A stream that has its predecessor's camera to wait for waits this long.
_PREDECESSOR_WITHIN_S = 5.0


class RunnerError(Exception):
    """What a runner cannot do; the text is for people and holds no credentials."""


class Unusable(RunnerError):
    """The config of a stream has to change; trying again is of no use."""


class Unreachable(RunnerError):
    """The camera, or what stands between, cannot be reached; it is tried again."""


class Over(RunnerError):
    """The stream came to its end, and nothing is wrong."""


class Pauses:
    """How long to wait before the next try: twice as long each time, spread over a half of it."""

    def __init__(self, first_s: float = 1.0, longest_s: float = 60.0) -> None:
        """Keep the bounds."""
        self.first_s, self.longest_s = first_s, longest_s

    def after(self, failures: int) -> float:
        """Return seconds to wait after so many failures in a row, one or more."""
        pause: float = min(self.first_s * 2 ** min(failures - 1, 30), self.longest_s)
        return pause * random.uniform(0.5, 1.0)


class Stream:
    """One stream and its thread. A kind of stream says what ``work`` is.

    ``status``, ``error`` and what was measured change under ``guard``.
    """

    def __init__(
        self, stream_id: str, spec: Dict[str, Any], on_line: OnLine, pauses: Pauses
    ) -> None:
        """Keep all; ``begin`` starts it.

        Raises:
            Unusable: the config makes no stream of this kind.

        """
        self.id = stream_id
        self.spec = spec
        self.secrets = Secrets(spec)
        self.guard = threading.Lock()
        self.ending = threading.Event()
        self.paused = False
        self._on_line = on_line
        self.pauses = pauses
        self._changed = threading.Event()
        self._failures = 0
        self._status = STARTING
        self._error: Optional[str] = None
        self._pipeline_id: Optional[str] = None
        self._started_at: Optional[str] = None
        self._figures: Dict[str, Optional[float]] = {}
        self._minute, self._lines, self._dropped = 0, 0, 0
        self._thread: Optional[threading.Thread] = None

    # --- what a kind of stream has

    def work(self) -> None:
        """Run the stream until it ends, is paused or is to end; called again after that.

        Raises:
            RunnerError: what went wrong.

        """
        raise NotImplementedError

    def wake(self) -> None:
        """Get ``work`` to look at ``ending`` and ``paused``; called from other threads."""

    def finish(self) -> None:
        """Let go of what is left; the last call, in the stream's thread."""

    def pause(self) -> Dict[str, Any]:
        """Pause it. Raises RunnerError."""
        self.paused = True
        self.told(PAUSED)
        self.notify()
        return {"status": PAUSED}

    def resume(self) -> Dict[str, Any]:
        """Go on. Raises RunnerError."""
        if self.paused:
            self.paused, self._failures = False, 0
            self.told(STARTING)
            self.notify()
        return {"status": self._status}

    def trigger(self) -> Dict[str, Any]:
        """Look once, now. Raises RunnerError."""
        raise NotImplementedError

    def snapshot(self) -> bytes:
        """Return one JPEG. Raises RunnerError."""
        raise NotImplementedError

    # --- its life

    def begin(self, predecessor: Optional[Stream]) -> None:
        """Start the thread; it waits for the one that had this id before."""
        self._thread = threading.Thread(
            target=self._run, args=(predecessor,), name="stream-" + self.id, daemon=True
        )
        self._thread.start()

    def end(self) -> None:
        """Have it end; returns at once."""
        if not self.ending.is_set():
            with self.guard:
                self._status = STOPPED if self._thread is None else STOPPING
                self._error, self._figures = None, {}
            self.ending.set()
            self.notify()

    def notify(self) -> None:
        """Have the thread look at what changed."""
        self._changed.set()
        self.wake()

    def begun(self) -> bool:
        """Whether it has a thread; one whose config is of no use has none."""
        return self._thread is not None

    def rest(self, seconds: float) -> None:
        """Wait, less when something changed; in the stream's thread."""
        self._changed.wait(seconds)
        self._changed.clear()

    def ends_slowly(self, error: str) -> None:
        """Say why it takes its time to end."""
        with self.guard:
            changed = self._error != error
            self._error = self.secrets.cut(error)[:_LONGEST_ERROR]
        if changed:
            self.line("warning", error)

    def join(self, within_s: float) -> bool:
        """Wait for its end; return whether it came."""
        if self._thread is not None:
            self._thread.join(max(within_s, 0.0))
            return not self._thread.is_alive()
        return True

    def refuse(self, error: str) -> None:
        """Say that its config is of no use; there will be no thread."""
        self._status, self._error = ERROR, self.secrets.cut(error)[:_LONGEST_ERROR]

    def _run(self, predecessor: Optional[Stream]) -> None:
        if predecessor is not None:
            predecessor.join(_PREDECESSOR_WITHIN_S)
        try:
            while not self.ending.is_set():
                self._turn()
        finally:
            try:
                self.finish()
            except Exception as error:  # noqa: BLE001 - it must become "stopped"
                self.line("error", "ending it failed: %s" % type(error).__name__)
            with self.guard:
                self._status, self._error, self._figures = STOPPED, None, {}
                self._pipeline_id = self._started_at = None

    def _turn(self) -> None:
        self._changed.clear()
        if self.ending.is_set():
            return
        if self.paused and not self.works_paused():
            self._idle()
            return
        try:
            self.work()
        except Over:
            self.told(ENDED)
            self._idle()
        except Unusable as error:
            self._trouble(ERROR, str(error))
            self._idle()
        except RunnerError as error:
            unreachable = isinstance(error, Unreachable)
            self._trouble(RECONNECTING if unreachable else ERROR, str(error))
            self._idle(self.pauses.after(self._failures))
        except Exception as error:  # noqa: BLE001 - one stream must not be lost without a word
            log.debug("stream %s", self.id, exc_info=True)
            self._trouble(ERROR, "an error in the agent: %s" % type(error).__name__)
            self._idle(self.pauses.after(self._failures))

    def _idle(self, seconds: Optional[float] = None) -> None:
        """Wait for a change; not once it is to end, for ``rest`` may have taken note of that."""
        if not self.ending.is_set():
            self._changed.wait(seconds)

    def works_paused(self) -> bool:
        """Whether ``work`` goes on while it is paused."""
        return False

    def _trouble(self, status: str, error: str) -> None:
        self._failures += 1
        self.told(status, error)

    # --- what is known of it

    def failed_before(self) -> bool:
        """Whether the last try failed; its error stays to be seen until it works again."""
        return self._failures > 0

    def worked(self) -> None:
        """Note that it works: the next trouble is the first one again."""
        self._failures = 0

    def told(self, status: str, error: Optional[str] = None, **figures: Optional[float]) -> None:
        """Keep a status, its error and what was measured; a change of the first two is logged."""
        error = None if error is None else self.secrets.cut(error)[:_LONGEST_ERROR]
        with self.guard:
            late = self.paused and status != PAUSED and not self.works_paused()
            if self.ending.is_set() or late:
                return
            changed = (status, error) != (self._status, self._error)
            if status == RUNNING and self._status != RUNNING:
                self._started_at = clock.rfc3339(clock.now().wall)
            elif status not in (RUNNING, PAUSED):
                self._started_at = None
            self._status, self._error, self._figures = status, error, figures
        if changed:
            self.line("info" if error is None else "warning", error or status)

    def pipeline(self, pipeline_id: Optional[str]) -> None:
        """Keep the id that another program knows it by."""
        with self.guard:
            self._pipeline_id = pipeline_id

    def status(self) -> str:
        """Return its status."""
        return self._status

    def state(self) -> Dict[str, Any]:
        """Return what is reported of it."""
        with self.guard:
            told: Dict[str, Any] = {
                "id": self.id,
                "status": self._status,
                "pipeline_id": self._pipeline_id,
                "started_at": self._started_at,
                "error": self._error,
            }
            for name in ("camera_fps", "inference_fps", "sharpness"):
                told[name] = self._figures.get(name)
        return told

    def line(self, severity: str, message: str) -> None:
        """Pass a line of this stream on, without secrets; beyond 120 a minute they are counted."""
        minute = int(time.monotonic() // 60)
        name = ("stream/" + self.id)[:LONGEST_ID]
        with self.guard:
            if minute != self._minute:
                self._minute, self._lines = minute, 0
            self._lines += 1
            if self._lines > _MOST_LINES_A_MINUTE:
                self._dropped += 1
                return
            dropped, self._dropped = self._dropped, 0
        try:
            if dropped:
                self._on_line(name, "warning", "%d lines dropped: too many at once" % dropped)
            self._on_line(name, severity, self.secrets.cut(message)[:_LONGEST_LINE])
        except Exception:  # noqa: BLE001 - a line that cannot be kept is not worth a stream
            log.debug("a line of stream %s is lost", self.id, exc_info=True)
