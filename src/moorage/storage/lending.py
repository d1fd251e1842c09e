"""Open connections to PostgreSQL, lent for a transaction each."""

import asyncio
from contextlib import aclosing
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine


class Lent(NamedTuple):
    """A connection, for statements of SQLAlchemy's, and asyncpg's own beneath it."""

    connection: AsyncConnection
    driver: Any


class Lending:
    """Lends so many connections at most; those that lie idle stay open, the last used is next.

    To borrow from SQLAlchemy's pool costs more CPU than a statement does, because it makes the
    objects around a connection anew each time.
    """

    def __init__(self, engine: AsyncEngine, most: int, *, wait_s: float) -> None:
        """Keep the parts; ``engine`` opens a connection whenever it is asked for one.

        ``wait_s``: how long to wait while all are lent.
        """
        self._engine = engine
        self._wait_s = wait_s
        self._room = asyncio.Semaphore(most)
        self._idle: list[Lent] = []
        self._closed = False

    async def take(self) -> Lent:
        """Return one that nobody else has; it may have broken while it lay idle.

        Raises:
            TimeoutError: all were lent for too long.

        """
        if self._room.locked():
            async with asyncio.timeout(self._wait_s):
                await self._room.acquire()
        else:
            await self._room.acquire()
        try:
            return self._idle.pop() if self._idle else await self._opened()
        except BaseException:
            self._room.release()
            raise

    async def give_back(self, lent: Lent) -> None:
        """Take one back that has no transaction."""
        if self._closed or lent.connection.invalidated:
            await self.drop(lent)
            return
        self._idle.append(lent)
        self._room.release()

    async def drop(self, lent: Lent) -> None:
        """Hang up: nobody is to get this one as it is. Until then it counts as lent."""
        try:
            async with aclosing(lent.connection):
                await lent.connection.invalidate()
        finally:
            self._room.release()

    async def close(self) -> None:
        """Hang up those that lie idle, and from now on each that comes back."""
        self._closed = True
        while self._idle:
            await self._idle.pop().connection.close()

    async def _opened(self) -> Lent:
        connection = await self._engine.connect()
        try:
            return Lent(connection, (await connection.get_raw_connection()).driver_connection)
        except BaseException:
            await connection.close()
            raise
