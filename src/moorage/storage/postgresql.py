"""PostgreSQL by asyncpg: any number of connections and servers.

Why that driver, and figures, are in docs/decisions/0001-storage.md.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

import asyncpg
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, InterfaceError, SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from moorage.kit.clock import Clock, SystemClock
from moorage.storage.announcements import Announcements, write_down
from moorage.storage.database import Params, Row, T, Tx
from moorage.storage.dialect import Engine, PostgreSQL
from moorage.storage.errors import StorageError, StorageUnavailable
from moorage.storage.lending import Lending, Lent
from moorage.storage.prepared import Prepared, Values, together
from moorage.storage.transaction import LOCK_WAIT_S, Home, TxBase
from moorage.storage.vault import Vault

# What writes finds its rows by their keys, however few there are. A plan that is made while a table
# is next to empty reads all of it, and is kept until statistics come, a minute later: by then that
# may be a hundred thousand rows for every batch of reports.
_BEGIN_TO_WRITE = "BEGIN; SET LOCAL enable_seqscan = off"
# What the driver says of itself when a connection breaks in the middle of its work.
_Cut = asyncpg.InternalClientError


class _PostgresTx(TxBase):
    def __init__(self, home: Home, lent: Lent, now: datetime) -> None:
        super().__init__(home, now)
        self._connection = lent.connection
        # For what was compiled before: SQLAlchemy's layers cost as much as the statement.
        self._driver = lent.driver

    async def finish(self) -> None:
        await super().finish()
        # Last, so that its number is given a moment before the commit.
        topics = [topic for topic, sure in self._announced.items() if sure]
        if topics:
            await write_down(self, topics)

    async def rows(self, statement: sa.Executable, params: Params | None = None) -> Sequence[Row]:
        with translated(self.engine):
            return (await self._connection.execute(statement, params)).all()

    async def run(self, statement: sa.Executable, params: Params | None = None) -> int:
        with translated(self.engine):
            return (await self._connection.execute(statement, params)).rowcount

    async def rows_of(self, statement: Prepared, params: Mapping[str, Any]) -> Sequence[Row]:
        on = statement.on(self.engine)
        return on.read(await self._fetched(on.sql, on.values(params)))

    async def run_of(self, statement: Prepared, params: Mapping[str, Any]) -> int:
        on = statement.on(self.engine)
        return await self._touched(on.sql, on.values(params))

    async def run_many(self, statement: Prepared, rows: Sequence[Mapping[str, Any]]) -> None:
        on = statement.on(self.engine)
        with translated(self.engine):
            await self._driver.executemany(on.sql, [on.values(row) for row in rows])

    async def plain_rows_of(self, statement: Prepared, params: Mapping[str, Any]) -> Sequence[Any]:
        on = statement.on(self.engine)
        return await self._fetched(on.sql, on.values(params))

    async def run_rows(self, statement: Prepared, rows: Sequence[Values]) -> None:
        on = statement.on(self.engine)
        arranged = on.arranged(rows)
        if len(arranged) == 1:  # a round trip less
            await self._touched(on.sql, arranged[0])
        elif on.for_many is not None:
            await self._touched(on.for_many.sql, (on.for_many.packed(arranged),))
        else:
            with translated(self.engine):
                await self._driver.executemany(on.sql, arranged)

    async def insert_together(self, rows: Sequence[tuple[Prepared, Mapping[str, Any]]]) -> None:
        compiled = [statement.on(self.engine) for statement, _ in rows]
        values = [on.values(row) for on, (_, row) in zip(compiled, rows, strict=True)]
        sql = together(tuple(on.sql for on in compiled))
        await self._touched(sql, tuple(chain.from_iterable(values)))

    async def _fetched(self, sql: str, values: Values) -> Sequence[Any]:
        with translated(self.engine):
            rows: Sequence[Any] = await self._driver.fetch(sql, *values)
            return rows

    async def _touched(self, sql: str, values: Values) -> int:
        with translated(self.engine):
            told = await self._driver.execute(sql, *values)
            # Its words end in the number of rows: "UPDATE 1", "INSERT 0 1".
            return int(told.rpartition(" ")[2])

    async def on_connection(self, function: Callable[[sa.Connection], T]) -> T:
        with translated(self.engine):
            return await self._connection.run_sync(function)


class PostgresDatabase:
    """Any number of connections; rows are locked by the statements that need it."""

    def __init__(
        self,
        url: str,
        *,
        clock: Clock | None = None,
        vault: Vault | None = None,
        connections: int = 12,
        statement_s: float | None = 60,
    ) -> None:
        """Take ``postgresql://user:password@host/name``; connections open when first needed.

        ``statement_s``: how long one statement may take; None is for ever, for whole tables.
        """
        self.engine: Engine = PostgreSQL()
        self.vault = vault or Vault()
        self.announcements = Announcements(alone=False)
        self.url = sa.make_url(url).render_as_string(hide_password=True)
        self._clock = clock or SystemClock()
        self._connections = connections
        self.async_engine = create_async_engine(
            sa.make_url(url).set(drivername="postgresql+asyncpg"),
            # Those of transactions are kept by ``Lending``.
            poolclass=sa.NullPool,
            # Transactions are begun and ended by ``_transaction``.
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,
            connect_args={
                "timeout": LOCK_WAIT_S,
                "command_timeout": statement_s,
                "server_settings": {"application_name": "moorage", "jit": "off"},
            },
        )
        self._lending = Lending(self.async_engine, connections, wait_s=LOCK_WAIT_S)

    @asynccontextmanager
    async def write(self, *, brief: bool = False) -> AsyncIterator[Tx]:  # noqa: ARG002 - all are
        """BEGIN … COMMIT at READ COMMITTED; rows that are decided upon are locked."""
        async with self._transaction(_BEGIN_TO_WRITE) as tx:
            yield tx
            await tx.finish()
        for callback in tx.callbacks:
            callback()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Tx]:
        """BEGIN … COMMIT; nothing is locked."""
        async with self._transaction("BEGIN") as tx:
            yield tx

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Tx]:
        """BEGIN … COMMIT at REPEATABLE READ, read only."""
        async with self._transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") as tx:
            yield tx

    async def close(self) -> None:
        """Close all connections; those of transactions under way when these end."""
        await self._lending.close()
        await self.async_engine.dispose()

    @asynccontextmanager
    async def _transaction(self, begin: str) -> AsyncIterator[_PostgresTx]:
        """Begin and end one by the driver: by SQLAlchemy that costs as much as ten statements."""
        with translated(self.engine):
            lent = await self._begun(begin)
            try:
                yield _PostgresTx(self, lent, self._clock.now())
            except BaseException:
                await self._roll_back(lent)
                raise
            try:
                ended = await lent.driver.execute("COMMIT")
            except BaseException:
                await self._lending.drop(lent)
                raise
            await self._lending.give_back(lent)
            if ended != "COMMIT":  # what PostgreSQL says when a statement before had failed
                raise StorageUnavailable("PostgreSQL rolled the transaction back")

    async def _begun(self, begin: str) -> Lent:
        """Begin on a connection; those that broke while they lay idle are let go."""
        for _ in range(self._connections):
            lent = await self._lending.take()
            try:
                await lent.driver.execute(begin)
            except (asyncpg.InterfaceError, asyncpg.PostgresConnectionError, OSError, _Cut):
                await self._lending.drop(lent)
            except BaseException:
                await self._lending.drop(lent)
                raise
            else:
                return lent
        raise StorageUnavailable("PostgreSQL is not answering")

    async def _roll_back(self, lent: Lent) -> None:
        """Undo what a transaction did; where that cannot be told to PostgreSQL, hang up."""
        try:
            await lent.driver.execute("ROLLBACK")
        except Exception:  # noqa: BLE001 - what made it end is what is told
            await self._lending.drop(lent)
        except BaseException:
            await self._lending.drop(lent)
            raise
        else:
            await self._lending.give_back(lent)


@dataclass
class translated:  # noqa: N801 - reads as a word in `with`
    """Errors of the driver within the block become ours, which name no driver."""

    engine: Engine

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, StorageError):
            return
        if isinstance(error, InterfaceError | OSError | TimeoutError | _Cut):
            raise StorageUnavailable("PostgreSQL is not answering") from None
        if isinstance(error, DBAPIError):
            raise self.engine.translate(error) from None
        if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError):
            raise self.engine.translate(DBAPIError("", None, error)) from None
        if isinstance(error, SQLAlchemyError):
            raise StorageUnavailable(f"database driver: {type(error).__name__}") from None
