"""A thread for each lane's requests: one that hangs delays neither samples nor another lane."""

from __future__ import annotations

import queue
import threading
from typing import Any, Dict, NamedTuple, Optional, Tuple, Union

from moorage_agent.transport import Answer, Transport, Unreachable


class Request(NamedTuple):
    """What to send; ``about`` is what its sender wants to see beside the answer."""

    method: str
    path: str
    body: bytes
    headers: Dict[str, str]
    about: Any


# lane, what it was about, and what came of it
Outcome = Tuple[str, Any, Union[Answer, Unreachable]]


class Sender(threading.Thread):
    """Sends one request after the other, each when told to."""

    def __init__(
        self, lane: str, transport: Transport, inbox: "queue.SimpleQueue[Optional[Outcome]]"
    ) -> None:
        """Bring what comes of each request to ``inbox``."""
        super().__init__(name="send-" + lane, daemon=True)
        self._lane = lane
        self._transport = transport
        self._inbox = inbox
        self._jobs: "queue.SimpleQueue[Any]" = queue.SimpleQueue()

    def send(self, request: Request) -> None:
        """Have a request sent."""
        self._jobs.put(request)

    def use(self, transport: Transport) -> None:
        """Have what follows go by another way."""
        self._jobs.put(transport)

    def end(self) -> None:
        """Have the thread end after the request it is at."""
        self._jobs.put(None)

    def local_address(self) -> Optional[str]:
        """Return this machine's address on the way to the server, once it is known."""
        return self._transport.local_address

    def run(self) -> None:
        """Send until told to end."""
        # Here, because looking up a name may take long while the network is away.
        self._transport.find_local_address()
        while True:
            job = self._jobs.get()
            if job is None:
                self._transport.close()
                return
            if isinstance(job, Transport):
                self._transport.close()
                self._transport = job
                job.find_local_address()
                continue
            outcome: Union[Answer, Unreachable]
            try:
                outcome = self._transport.request(job.method, job.path, job.body, job.headers)
            except Unreachable as error:
                outcome = error
            except Exception as error:  # noqa: BLE001 - a lane that dies would be silent for ever
                outcome = Unreachable("%s: %s" % (type(error).__name__, error))
            self._inbox.put((self._lane, job.about, outcome))
