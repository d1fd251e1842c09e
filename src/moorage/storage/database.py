"""Transactions on either engine: the one shape that callers see.

The two engines are in ``sqlite`` and ``postgresql``.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol, TypeAlias, TypeVar

import sqlalchemy as sa

from moorage.storage.announcements import Announcements
from moorage.storage.dialect import Engine
from moorage.storage.prepared import Prepared, Values
from moorage.storage.vault import Vault

T = TypeVar("T")

Params: TypeAlias = Mapping[str, Any] | Sequence[Mapping[str, Any]]
Row: TypeAlias = sa.Row[Any]


class Tx(Protocol):
    """One transaction. ``now`` is its single present: every time it writes is this one."""

    now: datetime
    engine: Engine
    vault: Vault

    async def rows(self, statement: sa.Executable, params: Params | None = None) -> Sequence[Row]:
        """Run a statement that answers rows."""
        ...

    async def run(self, statement: sa.Executable, params: Params | None = None) -> int:
        """Run a statement, or one for each mapping of a list; return how many rows it touched."""
        ...

    async def row(self, statement: sa.Executable, params: Params | None = None) -> Row | None:
        """Return the first row, or None."""
        ...

    async def rows_of(self, statement: Prepared, params: Mapping[str, Any]) -> Sequence[Row]:
        """Run a prepared statement that answers rows."""
        ...

    async def run_of(self, statement: Prepared, params: Mapping[str, Any]) -> int:
        """Run a prepared statement; return how many rows it touched."""
        ...

    async def run_many(self, statement: Prepared, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run a prepared statement once for each row."""
        ...

    async def plain_rows_of(self, statement: Prepared, params: Mapping[str, Any]) -> Sequence[Any]:
        """Run a prepared statement; its rows as the driver gives them, times in milliseconds."""
        ...

    async def run_rows(self, statement: Prepared, rows: Sequence[Values]) -> None:
        """Run a prepared statement once for each row, given in the order it declares."""
        ...

    async def insert_together(self, rows: Sequence[tuple[Prepared, Mapping[str, Any]]]) -> None:
        """Run inserts of a row each, in one round trip where there is one to save.

        A row may point at one of another, but must not depend on what another insert changed.
        """
        ...

    async def flush(self) -> None:
        """Run what was appended so far, now: when a lock is taken last, nobody waits for it."""
        ...

    def append(self, statement: Prepared, row: Mapping[str, Any]) -> None:
        """Run an insert before the commit, together with all others of the same statement.

        For rows that nobody reads, and nothing depends on, before the transaction ends.
        """
        ...

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call this once the transaction is durable, and not at all if it is not."""
        ...

    def announce(self, topic: str, *, sure: bool = True) -> None:
        """Wake those who wait for a topic, once the transaction is durable, on every server.

        ``sure``: also when a server dies or is cut off just then. Not worth a row for what those
        who wait look up often by themselves.
        """
        ...

    async def on_connection(self, function: Callable[[sa.Connection], T]) -> T:
        """Run a function on the plain connection, for storage's own work: backups, migrations."""
        ...


class Database(Protocol):
    """Where transactions come from."""

    engine: Engine
    url: str
    announcements: Announcements

    def write(self, *, brief: bool = False) -> AbstractAsyncContextManager[Tx]:
        """Open a transaction that commits at the end of the block, or rolls back on an error.

        ``brief``: it takes a few milliseconds, so on SQLite it may follow others that are brief
        within one commit. It is durable when the block is left, as ever.
        """
        ...

    def read(self) -> AbstractAsyncContextManager[Tx]:
        """Open a transaction that changes nothing."""
        ...

    def snapshot(self) -> AbstractAsyncContextManager[Tx]:
        """Open a transaction that reads one moment of everything, however long it takes."""
        ...

    async def close(self) -> None:
        """Give every connection back."""
        ...
