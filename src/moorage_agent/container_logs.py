"""Lines that containers wrote, read from the engine piece by piece, each once.

Up to where they were read stands in a file: what was written while the agent was down is read
later.
"""

from __future__ import annotations

import os
import struct
import threading
from calendar import timegm
from time import strptime
from typing import Any, Dict, List, Tuple

from moorage_agent import remembered
from moorage_agent.drivers import DriverError, OnLine
from moorage_agent.engine import Engine

_FILE = "container-logs.json"
_MOST_AT_ONCE = 2000
_LONGEST_LINE = 4000
_HEADER = struct.Struct(">BxxxL")


class Lines:
    """The places up to which containers' logs were read."""

    def __init__(self, engine: Engine, folder: str, on_line: OnLine) -> None:
        """``folder`` is the agent's."""
        self._engine = engine
        self._path = os.path.join(folder, _FILE)
        self._on_line = on_line
        self._guard = threading.Lock()
        self._ended = False
        self._read_to = self._kept()

    def take(self, ids: Dict[str, str]) -> None:
        """Take in what the containers of these services wrote since."""
        with self._guard:
            if self._ended:
                return
            before = dict(self._read_to)
            for service, container in ids.items():
                self._take(service, container)
            known = set(ids.values())
            self._read_to = {key: at for key, at in self._read_to.items() if key in known}
            if self._read_to != before:
                # A full disk costs lines read twice after the next start.
                remembered.write(self._path, self._read_to)

    def last(self, service: str, container: str) -> None:
        """Take in the rest before a container is removed."""
        with self._guard:
            self._take(service, container)

    def end(self) -> None:
        """Take in no more: what is read from now on would reach nobody, and not be read again."""
        with self._guard:
            self._ended = True

    def _take(self, service: str, container: str) -> None:
        since = self._read_to.get(container, "")
        query: Dict[str, Any] = {"stdout": 1, "stderr": 1, "timestamps": 1}
        if since:
            query["since"] = _seconds(since)
        else:
            query["tail"] = _MOST_AT_ONCE
        try:
            data = self._engine.call("GET", "/containers/%s/logs" % container, query=query)
        except DriverError:
            return  # the driver says what is wrong with the engine
        for at, text in lines_of(data if isinstance(data, bytes) else b""):
            # The engine's ``since`` is at a whole moment: what is not newer was read already.
            if _order(at) > _order(since):
                since = at
                self._on_line(service, None, text[:_LONGEST_LINE])
        if since:
            self._read_to[container] = since

    def _kept(self) -> Dict[str, str]:
        found = remembered.read(self._path)
        return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def lines_of(data: bytes) -> List[Tuple[str, str]]:
    """Return (time, text) of the lines in an answer, whose pieces have headers of eight bytes."""
    found = []
    place = 0
    while place + _HEADER.size <= len(data):
        _kind, length = _HEADER.unpack_from(data, place)
        place += _HEADER.size
        for line in data[place : place + length].splitlines():
            at, _, text = line.decode("utf-8", "replace").partition(" ")
            if text.strip():
                found.append((at, text.rstrip()))
        place += length
    return sorted(found, key=lambda one: _order(one[0]))


def _order(at: str) -> Tuple[str, str]:
    """Return what orders the engine's times, whose fractions lack trailing zeros."""
    whole, _, fraction = at.rstrip("Z").partition(".")
    return whole, fraction.ljust(9, "0")


def _seconds(at: str) -> str:
    """Return the engine's time as it takes it back: Unix seconds with a fraction."""
    whole, fraction = _order(at)
    return "%d.%s" % (timegm(strptime(whole, "%Y-%m-%dT%H:%M:%S")), fraction)
