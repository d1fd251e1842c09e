"""The requests of one agent: a sender for each lane, and with whose key they are sent."""

from __future__ import annotations

from typing import Any, Callable, Dict, Optional, Tuple

from moorage_agent import bodies, clock, messages
from moorage_agent.logs import log
from moorage_agent.messages import LIVE
from moorage_agent.sender import Request, Sender
from moorage_agent.store import Store, Waiting
from moorage_agent.transport import Transport

# What says which device this is, of which server, and how that is reached.
_IDENTITY = ("server", "key", "pending", "pin", "hosts")


class Lanes:
    """Senders, what is under way in them, and the identity they were made for."""

    def __init__(
        self,
        store: Store,
        transport: Callable[[], Transport],
        inbox: Any,
        *,
        boot_id: str,
        on_other_identity: Callable[[], None],
    ) -> None:
        """``on_other_identity`` is told when the device was enrolled anew meanwhile."""
        self._store = store
        self._boot_id = boot_id
        self._on_other_identity = on_other_identity
        self._transport = transport
        self._senders = {lane: Sender(lane, transport(), inbox) for lane in messages.LANES}
        self._identity = self._noted()
        # The report that each lane sent last.
        self.under_way: Dict[str, Waiting] = {}

    def start(self) -> None:
        """Start the senders."""
        for sender in self._senders.values():
            sender.start()

    def end(self) -> None:
        """Have each sender end after the request it is at."""
        for sender in self._senders.values():
            sender.end()

    def new_transport(self) -> Transport:
        """Return another way to the server, for another thread."""
        return self._transport()

    def use(self, transport: Callable[[], Transport]) -> None:
        """Reach the server by another way from here on, which the store says by now."""
        self._transport = transport
        self._identity = self._noted()
        for sender in self._senders.values():
            sender.use(transport())

    def local_address(self) -> Optional[str]:
        """Return this machine's address on the way to the server, once it is known."""
        return self._senders[LIVE].local_address()

    def is_same_identity(self) -> bool:
        """Whether the device is still the one these were made for; if not, say so."""
        if self._stored() == self._identity:
            return True
        self._on_other_identity()
        return False

    def joined(self) -> None:
        """Take the present identity for the one these were made for."""
        self._identity = self._noted()

    def _noted(self) -> Tuple[Optional[str], ...]:
        self._store.keep_identity()
        return self._stored()

    def _stored(self) -> Tuple[Optional[str], ...]:
        return tuple(self._store.get(name) for name in _IDENTITY)

    def send(self, lane: str, waiting: Waiting) -> None:
        """Send a report."""
        at = bodies.device_time(waiting.composed, clock.now(), self._boot_id)
        log.debug("sending report %d of the %s lane", waiting.sequence, lane)
        self.under_way[lane] = waiting
        headers = {"Moorage-Device-Time": at}
        self.request(lane, Request("POST", "/v1/reports", waiting.body, headers, waiting))

    def request(self, lane: str, request: Request) -> None:
        """Send a request, with the device's key if there is one."""
        # Enrolled anew in between: the new key is not for this connection's server.
        if not self.is_same_identity():
            return
        key = self._store.get("key")
        if key is not None:
            headers = {"Authorization": "Bearer %s" % key, **request.headers}
            request = request._replace(headers=headers)
        self._senders[lane].send(request)
