"""Getting rows to the disk whatever the disk and the clock do meanwhile."""

from __future__ import annotations

import sqlite3
from typing import Any, Callable, Dict, List, Optional

from moorage_agent import clock
from moorage_agent.happenings import happened
from moorage_agent.logs import log
from moorage_agent.messages import ResolveFork, SetAside
from moorage_agent.outbox import LET_GO, Row
from moorage_agent.store import Store, Waiting

_JUMP_S = 2.0
_MOST_UNSAVED = 1000


class Keeper:
    """Keeps rows, those of a disk that failed for a while too, at the times they have by now."""

    def __init__(self, store: Store, on_failure: Callable[[str], None]) -> None:
        """``on_failure`` is told each time that the disk fails."""
        self._store = store
        self._on_failure = on_failure
        self._unsaved: List[Row] = []
        self._lost: Dict[str, int] = {}
        self._disk_fails = False
        self._wall_offset: Optional[float] = None

    def keep(self, rows: List[Row]) -> None:
        """Commit rows, with those that an earlier failure left; a full disk costs the oldest."""
        self._unsaved += rows
        if not self._unsaved:
            return
        try:
            if self._lost:
                self._store.count_dropped(self._lost)
                self._lost = {}
            self._store.add(self._unsaved)
        except sqlite3.OperationalError as error:
            self._let_go()
            self.failed(error)
            return
        self._unsaved = []
        if self._disk_fails:
            self._disk_fails = False
            log.warning("the store can be written again")

    def _let_go(self) -> None:
        """Keep to what memory is there for, in the order that the store has for it; count it."""
        for part in LET_GO:
            too_many = len(self._unsaved) - _MOST_UNSAVED
            if too_many <= 0:
                return
            left, gone = [], 0
            for row in self._unsaved:
                if row[0] == part and gone < too_many:
                    gone += 1
                else:
                    left.append(row)
            self._unsaved = left
            if gone:
                self._lost[part] = self._lost.get(part, 0) + gone

    def failed(self, error: Exception) -> None:
        """Say it once, and go on: nobody shall have to visit a box because its disk was full."""
        text = "the store cannot be used: %s" % error
        self._on_failure(text)
        if not self._disk_fails:
            self._disk_fails = True
            log.error("%s", text)

    def happened(self, event: str, description: str, metadata: Dict[str, Any]) -> None:
        """Keep an event of this device."""
        self.keep([happened(event, description, metadata)])

    def watch_clock(self, now: clock.Instant) -> bool:
        """Mend what is kept when the clock was set; return whether it was."""
        offset = now.wall - now.steady
        before, self._wall_offset = self._wall_offset, offset
        if before is None or abs(offset - before) <= _JUMP_S:
            return False
        self._store.mend(now)
        ahead = now.wall - now.steady
        self._unsaved = [
            (part, at._replace(wall=ahead + at.steady), content)
            for part, at, content in self._unsaved
        ]
        seconds = round(offset - before, 3)
        log.warning("the clock was set by %+.1f s; times not yet reported are mended", seconds)
        self.happened("agent.clock_jumped", "the device's clock was set", {"seconds": seconds})
        return True

    def resolve_fork(self, fork: ResolveFork, _now: clock.Instant) -> None:
        """Make ready to go on after the server told another history than ours."""
        if self._store.resolve_fork(fork.lane, fork.sequence, fork.chain):
            log.warning(
                "the server was set back to report %d; sending again from there", fork.sequence
            )
        else:
            log.warning(
                "the server has another history of this store: this disk was set back or copied. "
                "Going on as a new store"
            )

    def set_aside(self, waiting: Waiting, effect: SetAside, now: clock.Instant) -> None:
        """Put a body nobody will take out of the way, for people to look at."""
        if self._store.set_aside(waiting, effect.status, effect.detail, now):
            log.error(
                "the server cannot take report %d (%d: %s); set aside, its place goes emptied",
                *(waiting.sequence, effect.status, effect.detail),
            )
        else:
            text = "the server refuses an empty report: %s" % effect.detail
            self._on_failure(text)
            log.error("%s", text)
