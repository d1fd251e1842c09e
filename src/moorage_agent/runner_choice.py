"""Which runner a stream gets, and all of them behind one object."""

from __future__ import annotations

import threading
from typing import Any, Dict, List, Optional

from moorage_agent.logs import log
from moorage_agent.probe import ProbeRunner
from moorage_agent.runner_base import (
    LONGEST_ID,
    OnLine,
    Pauses,
    RunnerError,
    Stream,
    Unusable,
)
from moorage_agent.runner_command import CommandRunner
from moorage_agent.runner_inference import InferenceRunner
from moorage_agent.runner_set import Runner

__all__ = ["KINDS", "RunnerError", "Streams", "runner_for"]

INFERENCE, COMMAND, PROBE = KINDS = ("inference", "command", "probe")


def runner_for(spec: Dict[str, Any]) -> str:
    """Return ``inference``, ``command`` or ``probe``: what ``runner`` says, else what fits.

    Raises:
        Unusable: ``runner`` is none of them.

    """
    told = spec.get("runner")
    if told is not None:
        if told not in KINDS:
            raise Unusable("runner is one of %s" % ", ".join(KINDS))
        return str(told)
    if spec.get("command") is not None:
        return COMMAND
    if spec.get("workflow_id") is not None or spec.get("inference") is not None:
        return INFERENCE
    return PROBE


class _NoRunner(Runner):
    """Holds streams that no runner takes, so that their error is seen."""

    def make(self, stream_id: str, spec: Dict[str, Any]) -> Stream:
        runner_for(spec)
        raise Unusable("there is no runner for stream %s" % stream_id)


class Streams:
    """All streams of this device. Its methods are those of a runner, and return as quickly."""

    def __init__(
        self, on_line: OnLine, *, folder: Optional[str] = None, pauses: Optional[Pauses] = None
    ) -> None:
        """``on_line``: lines of streams (source, severity, message), from threads.

        ``folder``: where to remember what must be ended after this process was killed.
        """
        self._none = _NoRunner(on_line, pauses=pauses)
        self._runners: Dict[str, Runner] = {
            COMMAND: CommandRunner(on_line, pauses=pauses),
            INFERENCE: InferenceRunner(on_line, folder=folder, pauses=pauses),
            PROBE: ProbeRunner(on_line, pauses=pauses),
        }
        self._guard = threading.Lock()

    def start(self, stream_id: str, spec: Dict[str, Any]) -> None:
        """Have a stream run by this spec; the same spec again changes nothing.

        One that was stopped starts anew. One whose spec is of no use is there, in ``error``. One
        whose id no report could hold is logged, and is not there.
        """
        if not 0 < len(stream_id) <= LONGEST_ID:
            log.error("a stream's id is 1 to %d characters: %.50r", LONGEST_ID, stream_id)
            return
        try:
            runner = self._runners.get(runner_for(spec), self._none)
        except Unusable:
            runner = self._none
        with self._guard:
            for other in self._all():
                if other is not runner and other.has(stream_id):
                    other.forget(stream_id)
            runner.start(stream_id, spec)

    def stop(self, stream_id: str) -> None:
        """Have a stream end, whatever it does; it stays in ``states`` as ``stopped``."""
        for runner in self._all():
            runner.stop(stream_id)

    def forget(self, stream_id: str) -> None:
        """Have a stream end, and no longer be in ``states``: it left the config."""
        for runner in self._all():
            runner.forget(stream_id)

    def pause(self, stream_id: str) -> Dict[str, Any]:
        """Pause a stream; return what came of it. Raises RunnerError."""
        return self._of(stream_id).pause(stream_id)

    def resume(self, stream_id: str) -> Dict[str, Any]:
        """Have a paused stream go on. Raises RunnerError."""
        return self._of(stream_id).resume(stream_id)

    def trigger(self, stream_id: str) -> Dict[str, Any]:
        """Have a stream look once, now; return what came of it. Raises RunnerError."""
        return self._of(stream_id).trigger(stream_id)

    def snapshot(self, stream_id: str) -> bytes:
        """Return one JPEG of a stream, at most 512 KiB. Raises RunnerError."""
        return self._of(stream_id).snapshot(stream_id)

    def states(self) -> List[Dict[str, Any]]:
        """Return what is reported of each stream, by id."""
        found = [state for runner in self._all() for state in runner.states()]
        return sorted(found, key=lambda state: str(state["id"]))

    def close(self) -> None:
        """End all streams, within seconds: before this process ends or becomes another."""
        closing = [threading.Thread(target=runner.close) for runner in self._all()]
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join()

    def _all(self) -> List[Runner]:
        return [*self._runners.values(), self._none]

    def _of(self, stream_id: str) -> Runner:
        for runner in self._all():
            if runner.has(stream_id):
                return runner
        raise RunnerError("there is no stream %s here" % stream_id)
