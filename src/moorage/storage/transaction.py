"""What a transaction does whatever the engine: rows kept for the end, and what is told after it."""

# ruff: noqa: D102 - Tx says what each of them does

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import sqlalchemy as sa

from moorage.storage.announcements import Announcements
from moorage.storage.database import Params, Row
from moorage.storage.dialect import Engine
from moorage.storage.prepared import Prepared
from moorage.storage.vault import Vault

# How long a transaction waits for its turn: a lock of SQLite, a connection of PostgreSQL.
LOCK_WAIT_S = 5.0
# Inserts in one statement: those of one request. A batch has many rows of few tables instead.
_MOST_TOGETHER = 8


class Home(Protocol):
    """What a transaction has from the database it belongs to."""

    engine: Engine
    vault: Vault
    announcements: Announcements


class TxBase:
    """What transactions of both engines do alike."""

    def __init__(self, home: Home, now: datetime) -> None:
        """Begin with nothing to write or tell."""
        self.engine = home.engine
        self.vault = home.vault
        self.now = now
        self._announcements = home.announcements
        self._announced: dict[str, bool] = {}
        self.callbacks: list[Callable[[], None]] = []
        self._appended: dict[Prepared, list[Mapping[str, Any]]] = {}

    def append(self, statement: Prepared, row: Mapping[str, Any]) -> None:
        self._appended.setdefault(statement, []).append(row)

    async def flush(self) -> None:
        appended, self._appended = self._appended, {}
        if len(appended) > 1 and sum(map(len, appended.values())) <= _MOST_TOGETHER:
            few = [(of, row) for of, rows in appended.items() for row in rows]
            await self.insert_together(few)
            return
        for statement, rows in appended.items():
            if len(rows) == 1:  # a round trip less on PostgreSQL
                await self.run_of(statement, rows[0])
            else:
                await self.run_many(statement, rows)

    async def finish(self) -> None:
        """Do what comes last before the commit."""
        await self.flush()

    async def insert_together(self, rows: Sequence[tuple[Prepared, Mapping[str, Any]]]) -> None:
        for statement, row in rows:
            await self.run_of(statement, row)

    async def run_of(self, statement: Prepared, params: Mapping[str, Any]) -> int:
        raise NotImplementedError

    async def run_many(self, statement: Prepared, rows: Sequence[Mapping[str, Any]]) -> None:
        raise NotImplementedError

    def after_commit(self, callback: Callable[[], None]) -> None:
        self.callbacks.append(callback)

    def announce(self, topic: str, *, sure: bool = True) -> None:
        if not self._announced:
            self.after_commit(lambda: self._announcements.tell(self._announced))
        self._announced[topic] = sure or self._announced.get(topic, False)

    async def rows(self, statement: sa.Executable, params: Params | None = None) -> Sequence[Row]:
        raise NotImplementedError

    async def row(self, statement: sa.Executable, params: Params | None = None) -> Row | None:
        found = await self.rows(statement, params)
        return found[0] if found else None
