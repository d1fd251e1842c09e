"""Enrolling at the first contact, while the agent runs."""

from __future__ import annotations

from typing import Callable

from moorage_agent import enrol, messages
from moorage_agent.lanes import Lanes
from moorage_agent.messages import CONTROL
from moorage_agent.sender import Request
from moorage_agent.store import Store


class Joiner:
    """Redeems the token that one agent was set up with."""

    def __init__(self, store: Store, lanes: Lanes, on_other_identity: Callable[[], None]) -> None:
        """``on_other_identity`` is told when the device was enrolled by somebody meanwhile."""
        self._store = store
        self._lanes = lanes
        self._on_other_identity = on_other_identity
        self._proposed_key = ""

    def ask(self, effect: messages.Enrol) -> None:
        """Ask the server for this device's place."""
        pending = enrol.pending(self._store)
        if pending is not None:
            self._proposed_key, body = enrol.request(self._store, pending.token)
            self._lanes.request(CONTROL, Request("POST", "/v1/enroll", body, {}, effect))

    def join(self, effect: messages.Join) -> bool:
        """Take it; return whether it was still to be taken."""
        pending = enrol.pending(self._store)
        if pending is None:
            self._on_other_identity()
        if pending is None or not self._lanes.is_same_identity():
            return False
        enrol.remember(self._store, effect.told, pending, self._proposed_key)
        self._lanes.joined()
        return True
