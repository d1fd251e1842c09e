"""What a report says beside the rows that were gathered: facts, config, what runs."""

from __future__ import annotations

import sqlite3
from typing import Any, Callable, Dict, Optional, Tuple

from moorage_agent import clock, configs, facts
from moorage_agent.applier import Applier
from moorage_agent.applying_state import State
from moorage_agent.messages import LIVE
from moorage_agent.store import Store, Waiting

# Often enough for a device to stay online, and seldom enough that nobody is asked without end by
# what is urgent. The server knows a report's id for longer than it is repeated.
REPEAT_EVERY_S = 10.0
_REPEATED_FOR_S = 24 * 3600.0


class Reporter:
    """Composes the reports of one store, and knows what the server has been told."""

    def __init__(
        self,
        store: Store,
        folder: str,
        applier: Applier,
        on_failure: Callable[[Exception], None],
        *,
        boot_id: str,
    ) -> None:
        """``folder`` is the agent's: of the disk that it is on the facts tell.

        ``on_failure`` is told that the disk takes no report, where that is not raised.
        """
        self._on_failure = on_failure
        # The live report that arrived last, and when; when it was sent once more.
        self._arrived: Optional[Tuple[Waiting, float]] = None
        self._repeated_at: Optional[float] = None
        self._store = store
        self._applier = applier
        self._boot_id = boot_id
        self._facts = facts.Teller(folder)
        self._configs = configs.Teller(store.configs)
        # Whether a live report was made, and whether something had to stay out of the last one.
        self.composed = False
        self.left_behind = False

    def compose(  # noqa: PLR0913 - what a report is made of
        self,
        lane: str,
        state: State,
        now: clock.Instant,
        *,
        past_before: float,
        address: Optional[str],
        bare: bool = False,
    ) -> Waiting:
        """Make a lane's next report, durably. ``address``: this machine's, towards the server.

        ``bare``: events are the only rows in it.
        """
        head: Dict[str, Any] = {"sent_at": clock.rfc3339(now.wall), "boot_id": self._boot_id}
        uptime_s = facts.uptime_s()
        if uptime_s is not None:
            head["uptime_s"] = uptime_s
        only: Optional[str] = None
        if lane == LIVE and self._store.results.has_refused():
            only = "commands"
        elif lane == LIVE:
            told, alone = self._facts.tell(now.steady, address)
            only = "facts" if alone else None
            if told is not None:
                head["facts"] = told
            if not alone:
                head.update(self._running(state))
        rows = "events" if bare and only is None else only
        try:
            waiting = self._store.compose(lane, head, now, past_before=past_before, only=rows)
        except sqlite3.OperationalError as error:
            return self._repeat(lane, now, error)
        if lane == LIVE:
            self.composed, self.left_behind = True, only is not None
        return waiting

    def _repeat(self, lane: str, now: clock.Instant, error: sqlite3.OperationalError) -> Waiting:
        """Return the live report that arrived last: it is a sign of life that needs no disk.

        To the server it is a repeat, of which it stores nothing. Raises the error where there is
        none, where its id may be forgotten by now, and more often than a sign of life is due.
        """
        steady, arrived = now.steady, self._arrived
        if lane != LIVE or arrived is None or arrived[0].epoch != self._store.epoch(LIVE):
            raise error
        before = arrived[1] if self._repeated_at is None else self._repeated_at
        if steady - arrived[1] > _REPEATED_FOR_S or steady - before < REPEAT_EVERY_S:
            raise error
        self._on_failure(error)
        self._repeated_at = steady
        return arrived[0]

    def is_repeat(self, waiting: Waiting) -> bool:
        """Whether a report had arrived before it was sent this time."""
        return self._arrived is not None and waiting is self._arrived[0]

    def _running(self, state: State) -> Dict[str, Any]:
        told = self._configs.tell()
        parts = {
            "config": told,
            "services": self._applier.services(state, again=told is not None),
            "streams": self._applier.streams(again=told is not None),
        }
        return {name: part for name, part in parts.items() if part is not None}

    def acknowledged(self, waiting: Waiting, now: clock.Instant) -> None:
        """Note that the live report under way has arrived."""
        self._arrived, self._repeated_at = (waiting, now.steady), None
        self._facts.acknowledged()
        self._configs.acknowledged()

    def refused(self, now: clock.Instant) -> None:
        """Note that the server would not take the live report."""
        self._facts.refused(now.steady)
        self._configs.refused()

    def has_told_config(self) -> bool:
        """Whether the server has what there is to say of the config."""
        return self._configs.is_there()
