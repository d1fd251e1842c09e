"""What a report says beside the rows that were gathered: facts, config, what runs."""

from __future__ import annotations

from typing import Any, Dict, Optional

from moorage_agent import clock, configs, facts
from moorage_agent.applier import Applier
from moorage_agent.applying_state import State
from moorage_agent.messages import LIVE
from moorage_agent.store import Store, Waiting


class Reporter:
    """Composes the reports of one store, and knows what the server has been told."""

    def __init__(self, store: Store, folder: str, applier: Applier, *, boot_id: str) -> None:
        """``folder`` is the agent's: of the disk that it is on the facts tell."""
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
        waiting = self._store.compose(lane, head, now, past_before=past_before, only=rows)
        if lane == LIVE:
            self.composed, self.left_behind = True, only is not None
        return waiting

    def _running(self, state: State) -> Dict[str, Any]:
        told = self._configs.tell()
        parts = {
            "config": told,
            "services": self._applier.services(state, again=told is not None),
            "streams": self._applier.streams(again=told is not None),
        }
        return {name: part for name, part in parts.items() if part is not None}

    def acknowledged(self) -> None:
        """Note that the live report under way has arrived."""
        self._facts.acknowledged()
        self._configs.acknowledged()

    def refused(self, now: clock.Instant) -> None:
        """Note that the server would not take the live report."""
        self._facts.refused(now.steady)
        self._configs.refused()

    def has_told_config(self) -> bool:
        """Whether the server has what there is to say of the config."""
        return self._configs.is_there()
