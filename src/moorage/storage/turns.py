"""Turns at the one writer of a database, and commits that several transactions share.

A commit waits for the disk, and meanwhile nobody else can write. Transactions of a few milliseconds
that come at once therefore follow each other within one, and all are told when it is on disk.
"""

import asyncio
from collections import deque
from typing import Generic, TypeVar

from moorage.storage.errors import StorageError, StorageUnavailable

C = TypeVar("C")

# From its beginning on: later nobody joins, for all of them wait for the last.
_JOINED_WITHIN_S = 0.010


class Shared(Generic[C]):
    """A transaction of the database's, begun for one of ours or for several after each other.

    ``members``: how many came to their end and wait for the commit. ``done`` ends with it.
    """

    def __init__(self, connection: C, *, brief: bool) -> None:
        """Begin with nobody. ``brief``: whether others may follow in it."""
        loop = asyncio.get_running_loop()
        self.connection = connection
        self.members = 0
        self.done: asyncio.Future[StorageError | None] = loop.create_future()
        self._until = loop.time() + _JOINED_WITHIN_S if brief else 0.0

    @property
    def open(self) -> bool:
        """Whether one more may join."""
        return asyncio.get_running_loop().time() < self._until

    def end(self, error: BaseException | None) -> None:
        """Tell all who wait for the commit how it ended."""
        if error is not None and not isinstance(error, StorageError):
            error = StorageUnavailable("the database could not finish what it was writing")
        self.done.set_result(error)

    def check(self) -> None:
        """Raise why it is not on disk, to each of them an error of its own."""
        error = self.done.result()
        if error is not None:
            raise type(error)(*error.args)


class Turns(Generic[C]):
    """One at a time, in the order they asked."""

    def __init__(self) -> None:
        """Start with nobody."""
        self._taken = False
        self._waiting: deque[tuple[asyncio.Future[Shared[C] | None], bool]] = deque()

    def ask(self, *, brief: bool = False) -> "asyncio.Future[Shared[C] | None]":
        """Return what is done when it is the asker's turn; ``pass_on`` ends the turn.

        It gives a transaction to follow in, only to who is ``brief``, or None for one of its own.
        Who cancels it while it is not done has no turn.
        """
        turn: asyncio.Future[Shared[C] | None] = asyncio.get_running_loop().create_future()
        if self._taken:
            self._waiting.append((turn, brief))
        else:
            self._taken = True
            turn.set_result(None)
        return turn

    @property
    def next_is_brief(self) -> bool:
        """Whether somebody waits, and the first of them is brief."""
        while self._waiting and self._waiting[0][0].done():
            self._waiting.popleft()  # gave up
        return bool(self._waiting) and self._waiting[0][1]

    def pass_on(self, shared: Shared[C] | None = None) -> None:
        """End a turn; the next begins, within ``shared`` if that is given."""
        while self._waiting:
            turn, _ = self._waiting.popleft()
            if not turn.done():
                turn.set_result(shared)
                return
        self._taken = False
