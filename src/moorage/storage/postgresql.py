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
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from moorage.kit.clock import Clock, SystemClock
from moorage.storage.announcements import Announcements, write_down
from moorage.storage.database import Params, Row, T, Tx
from moorage.storage.dialect import Engine, PostgreSQL
from moorage.storage.errors import StorageError, StorageUnavailable
from moorage.storage.prepared import Prepared, Values, together
from moorage.storage.transaction import LOCK_WAIT_S, Home, TxBase
from moorage.storage.vault import Vault


class _PostgresTx(TxBase):
    def __init__(self, home: Home, connection: AsyncConnection, now: datetime) -> None:
        super().__init__(home, now)
        self._connection = connection
        # The driver's own, once SQLAlchemy has begun the transaction on it with a statement.
        self._driver: Any = None

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
        await self._run_each(on.sql, [on.values(row) for row in rows])

    async def plain_rows_of(self, statement: Prepared, params: Mapping[str, Any]) -> Sequence[Any]:
        on = statement.on(self.engine)
        return await self._fetched(on.sql, on.values(params))

    async def run_rows(self, statement: Prepared, rows: Sequence[Values]) -> None:
        on = statement.on(self.engine)
        arranged = on.arranged(rows)
        if len(arranged) == 1:  # a round trip less
            await self._touched(on.sql, arranged[0])
        elif on.of_columns is not None:
            await self._touched(on.of_columns, tuple(zip(*arranged, strict=True)))
        else:
            await self._run_each(on.sql, arranged)

    async def insert_together(self, rows: Sequence[tuple[Prepared, Mapping[str, Any]]]) -> None:
        compiled = [statement.on(self.engine) for statement, _ in rows]
        values = [on.values(row) for on, (_, row) in zip(compiled, rows, strict=True)]
        sql = together(tuple(on.sql for on in compiled))
        await self._touched(sql, tuple(chain.from_iterable(values)))

    async def _fetched(self, sql: str, values: Values) -> Sequence[Any]:
        with translated(self.engine):
            if self._driver is not None:
                rows: Sequence[Any] = await self._driver.fetch(sql, *values)
                return rows
            return (await self._first(sql, values)).all()

    async def _touched(self, sql: str, values: Values) -> int:
        with translated(self.engine):
            if self._driver is None:
                return (await self._first(sql, values)).rowcount
            told = await self._driver.execute(sql, *values)
            # Its words end in the number of rows: "UPDATE 1", "INSERT 0 1".
            return int(told.rpartition(" ")[2])

    async def _run_each(self, sql: str, rows: Sequence[Values]) -> None:
        with translated(self.engine):
            if self._driver is None:
                await self._first(sql, list(rows))
            else:
                await self._driver.executemany(sql, rows)

    async def _first(self, sql: str, values: Values | list[Values]) -> sa.CursorResult[Any]:
        """Run a statement by SQLAlchemy, which begins its transaction with it; then by the driver.

        The layers between cost as much as the statement, also where it was compiled before.
        """
        found = await self._connection.exec_driver_sql(sql, values)
        self._driver = (await self._connection.get_raw_connection()).driver_connection
        return found

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
        self.async_engine = create_async_engine(
            sa.make_url(url).set(drivername="postgresql+asyncpg"),
            pool_size=connections,
            max_overflow=0,
            pool_timeout=LOCK_WAIT_S,
            pool_pre_ping=False,
            hide_parameters=True,
            connect_args={
                "timeout": LOCK_WAIT_S,
                "command_timeout": statement_s,
                "server_settings": {"application_name": "moorage", "jit": "off"},
            },
        )

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Tx]:
        """BEGIN … COMMIT at READ COMMITTED; rows that are decided upon are locked."""
        async with self._transaction() as tx:
            yield tx
            await tx.finish()
        for callback in tx.callbacks:
            callback()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Tx]:
        """BEGIN … COMMIT; nothing is locked."""
        async with self._transaction() as tx:
            yield tx

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Tx]:
        """BEGIN … ROLLBACK at REPEATABLE READ, read only."""
        with translated(self.engine):
            async with self.async_engine.connect() as connection:
                one_moment = await connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
                yield _PostgresTx(self, one_moment, self._clock.now())

    async def close(self) -> None:
        """Close the pool."""
        await self.async_engine.dispose()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[_PostgresTx]:
        with translated(self.engine):
            async with self.async_engine.begin() as connection:
                yield _PostgresTx(self, connection, self._clock.now())


@dataclass
class translated:  # noqa: N801 - reads as a word in `with`
    """Errors of the driver within the block become ours, which name no driver."""

    engine: Engine

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, StorageError):
            return
        if isinstance(error, InterfaceError | PoolTimeout | OSError | TimeoutError):
            raise StorageUnavailable("PostgreSQL is not answering") from None
        if isinstance(error, DBAPIError):
            raise self.engine.translate(error) from None
        if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError):
            raise self.engine.translate(DBAPIError("", None, error)) from None
        if isinstance(error, SQLAlchemyError):
            raise StorageUnavailable(f"database driver: {type(error).__name__}") from None
