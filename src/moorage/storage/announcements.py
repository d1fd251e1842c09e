"""Who is waiting for what: wakes waiters of this process once a change is durable."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Announcements:
    """Topics and those who wait for them. A wake-up says "look again", never what changed."""

    def __init__(self) -> None:
        """Start with nobody waiting."""
        self._waiters: dict[str, set[asyncio.Event]] = {}

    @contextmanager
    def subscribed(self, topic: str) -> Iterator[asyncio.Event]:
        """Give an event that is set whenever the topic is announced, while the block lasts."""
        woken = asyncio.Event()
        self._waiters.setdefault(topic, set()).add(woken)
        try:
            yield woken
        finally:
            left = self._waiters[topic]
            left.discard(woken)
            if not left:
                del self._waiters[topic]

    def publish(self, topic: str) -> None:
        """Wake everybody who waits for a topic."""
        for woken in self._waiters.get(topic, ()):
            woken.set()
