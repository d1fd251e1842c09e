"""Which pipelines an inference server runs for us, kept for the case that this process is killed.

The server goes on with them. The next process takes over those that are as the config wants them,
and ends the others.
"""

from __future__ import annotations

import json
import os
import threading
from typing import Dict, NamedTuple, Optional

from moorage_agent.logs import log

_NAME = "pipelines.json"
_LARGEST = 256 * 1024


class Pipeline(NamedTuple):
    """One pipeline: where it runs, its id there, and the digest of what it was made from."""

    server: str
    id: str
    digest: str


class Memory:
    """A small file; without a folder it is forgotten with the process."""

    def __init__(self, folder: Optional[str]) -> None:
        """Read it. One that cannot be read is none."""
        self._path = None if folder is None else os.path.join(folder, _NAME)
        self._guard = threading.Lock()
        self._known: Dict[str, Pipeline] = _read(self._path)
        self._unclaimed = dict(self._known)

    def claim(self, stream_id: str) -> Optional[Pipeline]:
        """Return what an earlier process had for a stream, once."""
        with self._guard:
            return self._unclaimed.pop(stream_id, None)

    def has_unclaimed(self) -> bool:
        """Whether there is anything that no stream asked for."""
        with self._guard:
            return bool(self._unclaimed)

    def unclaimed(self) -> Dict[str, Pipeline]:
        """Return what no stream asked for, and count it as claimed."""
        with self._guard:
            left, self._unclaimed = self._unclaimed, {}
            return left

    def keep(self, stream_id: str, pipeline: Pipeline) -> None:
        """Remember a pipeline."""
        with self._guard:
            self._known[stream_id] = pipeline
            self._write()

    def drop(self, stream_id: str, pipeline: Pipeline) -> None:
        """Forget a pipeline, unless the stream has another one by now."""
        with self._guard:
            if self._known.get(stream_id) == pipeline:
                del self._known[stream_id]
                self._write()

    def _write(self) -> None:
        if self._path is None:
            return
        beside = self._path + ".new"
        try:
            fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(fd, "w", encoding="utf-8") as file:
                json.dump(self._known, file)
            os.replace(beside, self._path)
        except OSError as error:
            # It costs a pipeline that runs twice if this process is killed, and nothing else.
            log.warning("%s cannot be written: %s", self._path, error.strerror)


def _read(path: Optional[str]) -> Dict[str, Pipeline]:
    if path is None:
        return {}
    try:
        with open(path, encoding="utf-8") as file:
            told = json.loads(file.read(_LARGEST))
        return {
            str(stream_id): Pipeline(*(str(part) for part in parts))
            for stream_id, parts in told.items()
        }
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}
