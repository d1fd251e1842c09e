"""How fast what waits is written, so that it can be told how long one more would wait."""

import time

# How much of what was is kept when a batch tells what is.
_STEADY = 0.8


class Pace:
    """Items a second, while there is always one that waits."""

    def __init__(self) -> None:
        """Know nothing yet; ``begin`` comes before ``note``."""
        self._since = 0.0
        self._items = 0.0
        self._seconds = 0.0

    def begin(self) -> None:
        """Begin to count the time: something waits again."""
        self._since = time.monotonic()

    def note(self, written: int | None) -> None:
        """Take note that so many were written just now; None for what tells nothing of the pace.

        Batches that end side by side share the time between them, so sums are kept, not rates.
        """
        now = time.monotonic()
        if written is not None:
            self._items = _STEADY * self._items + written
            self._seconds = _STEADY * self._seconds + now - self._since
        self._since = now

    def seconds(self, items: int) -> float:
        """Return how long so many take; 0 until something was written."""
        return items * self._seconds / self._items if self._items else 0.0
