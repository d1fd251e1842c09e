"""Lines of this machine's journal, where there is one and the config asks for them.

``journalctl`` follows it. Up to where it was read stands in a file, so that what was written while
the agent was down is read later.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
from contextlib import suppress
from typing import Any, Dict, List, Optional

from moorage_agent.drivers import OnLine
from moorage_agent.logs import log
from moorage_agent.severity import of_line, of_priority

_CURSOR_FILE = "journal-cursor"
_CURSOR_EVERY_S = 5.0
_AGAIN_AFTER_S = 30.0
_OWN_UNIT = "moorage-agent.service"
_MOST_UNITS = 50
_LONGEST_ENTRY = 256 * 1024


def wanted(settings: Dict[str, Any]) -> Optional[List[str]]:
    """Return the units that ``journal`` of a document's config asks for; empty means all.

    None: none at all. ``true`` is all of them, an array names some.
    """
    told = settings.get("journal")
    if told is True:
        return []
    if isinstance(told, list) and told:
        return [str(unit) for unit in told[:_MOST_UNITS]]
    return None


class Journal:
    """Follows the journal of this machine, or not, as it is told."""

    def __init__(self, folder: str, on_line: OnLine) -> None:
        """``folder`` is the agent's."""
        self._path = os.path.join(folder, _CURSOR_FILE)
        self._on_line = on_line
        self._guard = threading.Lock()
        self._follower: Optional[_Follower] = None

    def want(self, units: Optional[List[str]]) -> None:
        """Follow these units from now on: an empty list means all, None none."""
        with self._guard:
            if self._follower is not None and self._follower.units == units:
                return
            if self._follower is not None:
                self._follower.end()
                self._follower = None
            if units is None:
                return
            if shutil.which("journalctl") is None:
                log.info("the config asks for the journal, and this machine has none")
                return
            self._follower = _Follower(units, self._path, self._on_line)
            self._follower.start()

    def close(self) -> None:
        """Follow nothing any more."""
        self.want(None)


class _Follower(threading.Thread):
    def __init__(self, units: List[str], path: str, on_line: OnLine) -> None:
        super().__init__(name="journal", daemon=True)
        self.units = units
        self._path = path
        self._on_line = on_line
        self._ending = threading.Event()
        self._process: Optional["subprocess.Popen[bytes]"] = None
        self._cursor_kept_at = 0.0

    def end(self) -> None:
        self._ending.set()
        process = self._process
        if process is not None:
            with suppress(ProcessLookupError):
                process.terminate()

    def run(self) -> None:
        while not self._ending.is_set():
            try:
                self._follow()
            except OSError as error:
                log.info("the journal cannot be read: %s", error)
            self._ending.wait(_AGAIN_AFTER_S)

    def _follow(self) -> None:
        cursor = self._kept()
        since = ["--after-cursor=" + cursor] if cursor else ["--lines=0"]
        named = ["--unit=" + unit for unit in self.units]
        command = ["journalctl", "--follow", "--output=json", "--no-pager", *since, *named]
        process = subprocess.Popen(  # noqa: S603 - a fixed program of this machine
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._process = process
        assert process.stdout is not None
        with process.stdout as output:
            while not self._ending.is_set():
                line = output.readline(_LONGEST_ENTRY)
                if not line:
                    break
                with suppress(ValueError):
                    cursor = self._take(json.loads(line)) or cursor
                self._keep(cursor)
        if process.poll() is None:
            process.terminate()
        process.wait()
        if process.returncode > 0 and cursor:
            # A journal that was cleared does not know the place any more.
            with suppress(OSError):
                os.remove(self._path)

    def _take(self, entry: Any) -> Optional[str]:
        if not isinstance(entry, dict):
            return None
        unit = entry.get("_SYSTEMD_UNIT")
        if unit != _OWN_UNIT and entry.get("_PID") != str(os.getpid()):
            source = unit or entry.get("SYSLOG_IDENTIFIER") or "kernel"
            text = _text(entry.get("MESSAGE"))
            priority = str(entry.get("PRIORITY", ""))
            named = of_priority(int(priority)) if priority in list("01234567") else of_line(text)
            for line in text.splitlines()[:100]:
                self._on_line("journal/%s" % source, named, line)
        cursor = entry.get("__CURSOR")
        return cursor if isinstance(cursor, str) else None

    def _kept(self) -> Optional[str]:
        try:
            with open(self._path, encoding="utf-8") as file:
                return file.read(1024).strip() or None
        except OSError:
            return None

    def _keep(self, cursor: Optional[str]) -> None:
        now = time.monotonic()
        if cursor is None or now - self._cursor_kept_at < _CURSOR_EVERY_S:
            return
        self._cursor_kept_at = now
        with suppress(OSError):
            with open(self._path + ".new", "w", encoding="utf-8") as file:
                file.write(cursor)
            os.replace(self._path + ".new", self._path)


def _text(message: Any) -> str:
    """Return an entry's message, which is an array of bytes where it is no UTF-8."""
    if isinstance(message, list):
        with suppress(ValueError, TypeError):
            return bytes(message).decode("utf-8", "replace")
        return ""
    return message if isinstance(message, str) else ""
