"""Runs a command for each stream and reads the lines that it writes.

A line on its standard output that is a JSON object says how the stream is; every other line, and
standard error, goes to the logs. What it is to do it reads from its standard input, one JSON object
a line: ``{"do": "pause"}``, ``resume`` or ``trigger``. Its input ends when the agent does.
"""

from __future__ import annotations

import json
import math
import os
import time
from typing import Any, Dict, List, Optional

from moorage_agent.runner_base import (
    ENDED,
    ERROR,
    PAUSED,
    RECONNECTING,
    RUNNING,
    STARTING,
    OnLine,
    Pauses,
    RunnerError,
    Stream,
    Unusable,
)
from moorage_agent.runner_processes import Child, Lines, Wake
from moorage_agent.runner_set import Runner

_STATUSES = (STARTING, RUNNING, PAUSED, RECONNECTING, ERROR, ENDED)
_FIGURES = ("camera_fps", "inference_fps", "sharpness")
# Figures that are not told again within this time are not the present any more.
_STALE_S = 60.0
# One that ran so long runs, though it says nothing.
_SILENT_S = 5.0
# One that ran so long had no trouble starting.
_WELL_S = 60.0
_LOOK_S = 1.0
# What a report may hold.
_LARGEST_FIGURE = 1e15
_OWN = "MOORAGE_"
# The installer sets it for the agent; a program with busy threads would be slower by it.
_FOR_A_SMALL_AGENT = "MALLOC_ARENA_MAX"


class CommandRunner(Runner):
    """Streams that are commands of the config's."""

    def make(self, stream_id: str, spec: Dict[str, Any]) -> Stream:
        """Return a stream, not begun. Raises Unusable."""
        return CommandStream(stream_id, spec, self._on_line, self._pauses)


class CommandStream(Stream):
    """One command, started again when it ends."""

    def __init__(
        self, stream_id: str, spec: Dict[str, Any], on_line: OnLine, pauses: Pauses
    ) -> None:
        """Check the config. Raises Unusable."""
        super().__init__(stream_id, spec, on_line, pauses)
        self._arguments = _arguments(spec)
        self._environment = _environment(stream_id, spec)
        self._wake = Wake()
        self._child: Optional[Child] = None
        self._began = self._told_at = 0.0
        self._last_line = ""
        # What this process says of itself, None until it does.
        self._said: Optional[str] = None
        self._error_said: Optional[str] = None
        self._figures_said: Dict[str, Optional[float]] = {}

    def work(self) -> None:
        """Run the command until it ends or is to end."""
        child = Child(self._arguments, wake=self._wake, environment=self._environment)
        self._began, self._told_at, self._last_line = time.monotonic(), 0.0, ""
        self._said, self._error_said, self._figures_said = None, None, {}
        if not self.paused and not self.failed_before():
            self.told(STARTING)
        with self.guard:
            self._child = child
        try:
            if self.paused:
                self._tell(child, "pause")
            self._follow(child)
        finally:
            with self.guard:
                self._child = None
            code = child.end()
        if self.ending.is_set():
            return
        if time.monotonic() - self._began >= _WELL_S:
            self.worked()
        raise RunnerError(_ended(code, self._last_line) + "; it is started again")

    def wake(self) -> None:
        """Have the thread look at ``ending``."""
        self._wake.set()

    def finish(self) -> None:
        """Let go of the pipe that wakes it."""
        self._wake.close()

    def works_paused(self) -> bool:
        """A paused command is there, and reads when to go on."""
        return True

    def pause(self) -> Dict[str, Any]:
        """Tell it to pause; one that starts later is told so, too."""
        return self._switch("pause", paused=True)

    def resume(self) -> Dict[str, Any]:
        """Tell it to go on."""
        return self._switch("resume", paused=False)

    def trigger(self) -> Dict[str, Any]:
        """Tell it to look once. Raises RunnerError."""
        with self.guard:
            if self._child is None:
                raise RunnerError("the command does not run right now")
            self._tell(self._child, "trigger")
        return {"told": "trigger"}

    def snapshot(self) -> bytes:
        """A command has no way to hand out a picture. Raises RunnerError."""
        raise RunnerError(
            "a stream that is a command has no picture to show; give it a source that ffmpeg reads"
        )

    def _switch(self, word: str, *, paused: bool) -> Dict[str, Any]:
        with self.guard:
            if self._child is not None:
                self._tell(self._child, word)
            changed, self.paused = self.paused != paused, paused
            self._said = None
        if changed:
            self.told(PAUSED if paused else STARTING)
        return {"told": word, "status": self.status()}

    def _tell(self, child: Child, word: str) -> None:
        child.write(json.dumps({"do": word}).encode("ascii") + b"\n")

    def _follow(self, child: Child) -> None:
        lines = {"stdout": Lines(), "stderr": Lines()}
        while not self.ending.is_set():
            over = child.ended()
            came = child.read(0.0 if over else _LOOK_S)
            for name, data in came:
                for line in lines[name].feed(data):
                    self._heed(name, line)
            self._look()
            if over and not came:
                break
        for name, rest in lines.items():
            for line in rest.rest():
                self._heed(name, line)

    def _heed(self, name: str, line: str) -> None:
        told = _status_line(line) if name == "stdout" else None
        if told is None:
            self._last_line = line
            self.line("info" if name == "stdout" else "warning", line)
            return
        for field in _FIGURES:
            if field in told:
                self._figures_said[field] = _number(told[field])
        if told.get("status") in _STATUSES:
            self._said, self._error_said = told["status"], None
        if "error" in told:
            self._error_said = str(told["error"]) if told["error"] else None
        if isinstance(told.get("pipeline_id"), str):
            self.pipeline(told["pipeline_id"][:200])
        self._told_at = time.monotonic()
        self._say()

    def _say(self) -> None:
        status = self._said or (PAUSED if self.paused else RUNNING)
        self.told(status, self._error_said, **self._figures_said)

    def _look(self) -> None:
        """Heed what time does: silence, which at first is well, and later makes figures stale."""
        now = time.monotonic()
        if self._told_at:
            if self._figures_said and now - self._told_at > _STALE_S:
                self._figures_said = {}
                self._say()
        elif now - self._began > _SILENT_S and self.status() in (STARTING, ERROR):
            self._say()


def _arguments(spec: Dict[str, Any]) -> List[str]:
    told = spec.get("command")
    parts = told if isinstance(told, list) else []
    if not parts or not all(isinstance(one, str) and "\0" not in one for one in parts):
        raise Unusable('a command is a list of texts, the program first: ["/usr/bin/look", "-v"]')
    return list(parts)


def _environment(stream_id: str, spec: Dict[str, Any]) -> Dict[str, str]:
    """Return the agent's environment without what is its own, the config's, and the stream's."""
    told = spec.get("environment") or {}
    wrong = "environment is an object of texts"
    if not isinstance(told, dict):
        raise Unusable(wrong)
    for name, value in told.items():
        if not isinstance(value, str) or not name or "=" in name or "\0" in name + value:
            raise Unusable(wrong)
    source = spec.get("source")
    environment = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(_OWN) and name != _FOR_A_SMALL_AGENT
    }
    environment.update(told)
    environment[_OWN + "STREAM_ID"] = stream_id
    if source is not None:
        environment[_OWN + "STREAM_SOURCE"] = (
            source if isinstance(source, str) else json.dumps(source)
        ).replace("\0", "")
    return environment


def _status_line(line: str) -> Optional[Dict[str, Any]]:
    if not line.startswith("{"):
        return None
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return None
    known = {"status", "error", "pipeline_id", *_FIGURES}
    return told if isinstance(told, dict) and known & set(told) else None


def _number(value: Any) -> Optional[float]:
    """Return a number that a report can hold, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) and abs(number) <= _LARGEST_FIGURE else None


def _ended(code: int, last_line: str) -> str:
    how = "by signal %d" % -code if code < 0 else "with exit code %d" % code
    text = "the command ended %s" % how
    return "%s; its last line was: %s" % (text, last_line[:300]) if last_line else text
