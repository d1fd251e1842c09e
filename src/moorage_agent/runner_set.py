"""Keeps the streams of one kind, by id."""

from __future__ import annotations

import copy
import threading
import time
from typing import Any, Callable, Dict, List, Optional, TypeVar

from moorage_agent.runner_base import ERROR, OnLine, Pauses, RunnerError, Stream, Unusable

MOST_STREAMS = 32
_CLOSE_WITHIN_S = 5.0
_T = TypeVar("_T")


class Runner:
    """Keeps the streams of one kind."""

    def __init__(self, on_line: OnLine, *, pauses: Optional[Pauses] = None) -> None:
        """``on_line``: where lines of streams go; called from threads."""
        self._on_line = on_line
        self._pauses = pauses or Pauses()
        self._streams: Dict[str, Stream] = {}
        # Those that are no longer listed and have not ended yet.
        self._leaving: List[Stream] = []
        self._guard = threading.Lock()
        self._closed = False

    def make(self, stream_id: str, spec: Dict[str, Any]) -> Stream:
        """Return a stream of this kind, not begun. Raises Unusable."""
        raise NotImplementedError

    def start(self, stream_id: str, spec: Dict[str, Any]) -> None:
        """Have a stream run by this spec; the same spec again changes nothing.

        One that was stopped starts anew. One whose spec is of no use is there, in ``error``.
        """
        with self._guard:
            if self._closed:
                return
            before = self._streams.get(stream_id)
            if before is not None and before.spec == spec and not before.ending.is_set():
                return
            stream = self._made(
                stream_id, copy.deepcopy(spec), full=before is None and self._is_full()
            )
            self._streams[stream_id] = stream
            if before is not None:
                self._leave(before)
            if stream.status() == ERROR:
                stream.line("error", stream.state()["error"])
            else:
                stream.begin(before)

    def _is_full(self) -> bool:
        return len(self._streams) >= MOST_STREAMS

    def _made(self, stream_id: str, spec: Dict[str, Any], *, full: bool) -> Stream:
        error = "this agent runs at most %d streams of a kind" % MOST_STREAMS
        if not full:
            try:
                return self.make(stream_id, spec)
            except Unusable as unusable:
                error = str(unusable)
        stream = Stream(stream_id, spec, self._on_line, self._pauses)
        stream.refuse(error)
        return stream

    def stop(self, stream_id: str) -> None:
        """Have a stream end, whatever it does; it stays in ``states`` as ``stopped``."""
        with self._guard:
            stream = self._streams.get(stream_id)
        if stream is not None:
            stream.end()

    def forget(self, stream_id: str) -> None:
        """Have a stream end, and no longer be in ``states``."""
        with self._guard:
            stream = self._streams.pop(stream_id, None)
            if stream is not None:
                self._leave(stream)

    def _leave(self, stream: Stream) -> None:
        stream.end()
        self._leaving = [one for one in [*self._leaving, stream] if not one.join(0.0)]

    def pause(self, stream_id: str) -> Dict[str, Any]:
        """Pause a stream; return what came of it. Raises RunnerError."""
        return self._asked(stream_id, lambda stream: stream.pause())

    def resume(self, stream_id: str) -> Dict[str, Any]:
        """Have a paused stream go on. Raises RunnerError."""
        return self._asked(stream_id, lambda stream: stream.resume())

    def trigger(self, stream_id: str) -> Dict[str, Any]:
        """Have a stream look once, now; return what came of it. Raises RunnerError."""
        return self._asked(stream_id, lambda stream: stream.trigger())

    def snapshot(self, stream_id: str) -> bytes:
        """Return one JPEG of a stream, at most 512 KiB. Raises RunnerError."""
        return self._asked(stream_id, lambda stream: stream.snapshot())

    def states(self) -> List[Dict[str, Any]]:
        """Return what is reported of each stream, by id."""
        with self._guard:
            streams = sorted(self._streams.values(), key=lambda stream: stream.id)
        return [stream.state() for stream in streams]

    def close(self) -> None:
        """End all streams and wait for that, some seconds at most."""
        with self._guard:
            self._closed = True
            streams = [*self._streams.values(), *self._leaving]
        for stream in streams:
            stream.end()
        deadline = time.monotonic() + _CLOSE_WITHIN_S
        for stream in streams:
            stream.join(deadline - time.monotonic())

    def has(self, stream_id: str) -> bool:
        """Whether there is such a stream."""
        with self._guard:
            return stream_id in self._streams

    def _asked(self, stream_id: str, call: Callable[[Stream], _T]) -> _T:
        stream = self._running(stream_id)
        try:
            return call(stream)
        except RunnerError as error:
            raise RunnerError(stream.secrets.cut(str(error))) from None

    def _running(self, stream_id: str) -> Stream:
        with self._guard:
            stream = self._streams.get(stream_id)
        if stream is None:
            raise RunnerError("there is no stream %s here" % stream_id)
        if stream.ending.is_set():
            raise RunnerError("the stream is stopped")
        state = stream.state()
        if not stream.begun():
            raise RunnerError("the stream's config is of no use: %s" % state["error"])
        return stream
