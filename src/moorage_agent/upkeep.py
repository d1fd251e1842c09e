"""What the agent does about itself: newer agents, and its server's addresses. For the loop."""

from __future__ import annotations

from collections import deque
from typing import Any, Callable, Deque, Dict, Iterator, Optional

from moorage_agent import moving, updates
from moorage_agent.installed import App
from moorage_agent.lanes import Lanes
from moorage_agent.later import Finished
from moorage_agent.store import Store

MESSAGES = (*updates.MESSAGES, *moving.MESSAGES)


class Upkeep:
    """The parts of one agent that look after it. Used by the loop's thread."""

    def __init__(
        self,
        store: Store,
        app: Optional[App],
        lanes: Lanes,
        reach: moving.Reach,
        deliver: Callable[[Any], None],
    ) -> None:
        """``app``: the file that runs; ``reach`` makes a transport to another address.

        ``deliver`` takes messages, from any thread.
        """
        self.updater = updates.Updater(store, app, lanes.new_transport, deliver)
        self._mover = moving.Mover(store, lanes, reach, deliver)
        self.hear = self._mover.hear
        self._arrived: Deque[Any] = deque()

    def honour(self, settings: Dict[str, Any], now: float) -> None:
        """Take in the agent's own part of a config that is in force."""
        self.updater.honour(settings, now)
        self._mover.honour(settings)

    def tick(self, now: float) -> None:
        """Do what is due."""
        self.updater.tick(now)
        self._mover.tick(now)

    def take(self, message: Any) -> None:
        """Take in one of MESSAGES, to be heeded by ``go_on``."""
        self._arrived.append(message)

    def go_on(self) -> Iterator[Finished]:
        """Heed what was taken in; yield what came of each command as soon as that is known.

        Raises:
            sqlite3.OperationalError: the disk; what is not heeded stays.

        """
        while self._arrived:
            message, ended = self._arrived[0], None
            if isinstance(message, moving.MESSAGES):
                self._mover.take(message)
            else:
                ended = self.updater.take(message)
            self._arrived.popleft()
            if ended is not None:
                yield Finished(ended.command, ended.outcome)
