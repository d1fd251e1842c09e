"""Transactions on either engine: one shape for callers, the differences inside.

SQLite is driven by the plain synchronous driver, PostgreSQL by asyncpg (the reasons and figures are
in docs/decisions/0001-storage.md).
"""

import asyncio
import contextlib
import random
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar

import asyncpg
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, InterfaceError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from moorage.kit.clock import Clock, SystemClock
from moorage.storage.announcements import Announcements, write_down
from moorage.storage.dialect import Engine, PostgreSQL, SQLite
from moorage.storage.errors import StorageBusy, StorageError, StorageUnavailable
from moorage.storage.prepared import Prepared, Values, together
from moorage.storage.vault import Vault

T = TypeVar("T")

Params: TypeAlias = Mapping[str, Any] | Sequence[Mapping[str, Any]]
Row: TypeAlias = sa.Row[Any]

_LOCK_WAIT_S = 5.0
# Inserts in one statement: those of one request. A batch has many rows of few tables instead.
_MOST_TOGETHER = 8

# Each pragma with its reason:
# - WAL: readers never wait for the writer, a commit is one sequential write.
# - synchronous FULL: the log is on disk before COMMIT returns. That is what "acknowledged" means.
# - foreign_keys: SQLite enforces them only when told to.
# - busy_timeout 0 (set below): waiting for another process is done here, without blocking the
#   event loop.
# - cache_size: 64 MiB, so that the ledger's index pages stay in memory.
# - journal_size_limit: a burst must not leave a log file of gigabytes behind.
# - wal_autocheckpoint 8000 pages (32 MB): a batch touches several pages of each of its devices;
#   folding the log back after every other batch would copy the same pages over and over.
_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA cache_size=-65536",
    "PRAGMA journal_size_limit=67108864",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA wal_autocheckpoint=8000",
)


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

    def write(self) -> AbstractAsyncContextManager[Tx]:
        """Open a transaction that commits at the end of the block, or rolls back on an error."""
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


class _Home(Protocol):
    """What a transaction has from the database it belongs to."""

    engine: Engine
    vault: Vault
    announcements: Announcements


class _TxBase:
    def __init__(self, home: "_Home", now: datetime) -> None:
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


class _SQLiteTx(_TxBase):
    """A transaction on one connection of the plain synchronous driver.

    ``offload``: run statements in a thread. Reads do, because a scan may take long; writes are many
    and short, and a thread hop costs more than the statement does.
    """

    def __init__(
        self,
        home: _Home,
        connection: sa.Connection,
        now: datetime,
        *,
        offload: ThreadPoolExecutor | None,
    ) -> None:
        super().__init__(home, now)
        self._connection = connection
        # For what was compiled before: all else would be done twice.
        self._driver = _driver_of(connection)
        self._offload = offload

    async def rows(self, statement: sa.Executable, params: Params | None = None) -> Sequence[Row]:
        def fetch() -> Sequence[Row]:
            return self._connection.execute(statement, params).all()

        return await self._call(fetch)

    async def run(self, statement: sa.Executable, params: Params | None = None) -> int:
        def execute() -> int:
            return self._connection.execute(statement, params).rowcount

        return await self._call(execute)

    async def rows_of(self, statement: Prepared, params: Mapping[str, Any]) -> Sequence[Row]:
        on = statement.on(self.engine)

        def fetch() -> Sequence[Row]:
            return on.read(self._driver.execute(on.sql, on.values(params)).fetchall())

        return await self._call(fetch)

    async def run_of(self, statement: Prepared, params: Mapping[str, Any]) -> int:
        on = statement.on(self.engine)

        def execute() -> int:
            return self._driver.execute(on.sql, on.values(params)).rowcount

        return await self._call(execute)

    async def run_many(self, statement: Prepared, rows: Sequence[Mapping[str, Any]]) -> None:
        on = statement.on(self.engine)

        def execute() -> None:
            self._driver.executemany(on.sql, [on.values(row) for row in rows])

        await self._call(execute)

    async def plain_rows_of(self, statement: Prepared, params: Mapping[str, Any]) -> Sequence[Any]:
        on = statement.on(self.engine)

        def fetch() -> Sequence[Any]:
            return self._driver.execute(on.sql, on.values(params)).fetchall()

        return await self._call(fetch)

    async def run_rows(self, statement: Prepared, rows: Sequence[Values]) -> None:
        on = statement.on(self.engine)

        def execute() -> None:
            self._driver.executemany(on.sql, on.arranged(rows))

        await self._call(execute)

    async def on_connection(self, function: Callable[[sa.Connection], T]) -> T:
        return await self._call(lambda: function(self._connection))

    async def _call(self, function: Callable[[], T]) -> T:
        try:
            if self._offload is None:
                return function()
            done = asyncio.get_running_loop().run_in_executor(self._offload, function)
            given_up = await _settled(done)
            if given_up is not None:
                raise given_up
            return done.result()
        except DBAPIError as error:
            raise self.engine.translate(error) from None
        except sqlite3.Error as error:
            raise _meant_by(error, self.engine) from None
        except OverflowError:
            raise self.engine.translate(DBAPIError("", None, OverflowError())) from None


class SQLiteDatabase:
    """One file, one writer at a time, readers beside it."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock | None = None,
        vault: Vault | None = None,
        readers: int = 4,
        lock_wait_s: float = _LOCK_WAIT_S,
    ) -> None:
        """Name the file; connections are opened when first needed."""
        self.engine: Engine = SQLite()
        self.vault = vault or Vault()
        self.announcements = Announcements()
        self.url = f"sqlite:///{path}"
        self.path = path
        self._clock = clock or SystemClock()
        self._lock_wait_s = lock_wait_s
        self._sync_engine = sqlite_engine(path)
        self._writer: sa.Connection | None = None
        self._write_lock = asyncio.Lock()
        self._commit_thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite-commit")
        self._read_threads = ThreadPoolExecutor(readers, thread_name_prefix="sqlite-read")
        self._idle_readers: list[sa.Connection] = []
        self._reader_slots = asyncio.Semaphore(readers)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Tx]:
        """BEGIN IMMEDIATE … COMMIT on the one writing connection."""
        # From when it was asked for: who waited for others that were refused is refused at once.
        patient_until = asyncio.get_running_loop().time() + self._lock_wait_s
        async with self._write_lock:
            connection = await self._begin(patient_until)
            tx = _SQLiteTx(self, connection, self._clock.now(), offload=None)
            try:
                yield tx
                await tx.finish()
                given_up = await self._commit(connection)
            except BaseException as error:
                self._take_back(connection, error)
                raise
        for callback in tx.callbacks:
            callback()
        if given_up is not None:
            raise given_up

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Tx]:
        """BEGIN (a snapshot) … ROLLBACK on a reading connection."""
        async with self._reader_slots:
            connection = self._idle_readers.pop() if self._idle_readers else self._connect()
            sound = True
            try:
                _driver_of(connection).execute("BEGIN")
                now = self._clock.now()
                yield _SQLiteTx(self, connection, now, offload=self._read_threads)
            except StorageUnavailable:
                sound = False
                raise
            except sqlite3.Error as error:
                sound = False
                raise _meant_by(error, self.engine) from None
            finally:
                if _rolled_back(connection) and sound:
                    self._idle_readers.append(connection)
                else:
                    _give_up(connection)

    def snapshot(self) -> AbstractAsyncContextManager[Tx]:
        """Read: each transaction of SQLite sees one moment."""
        return self.read()

    async def close(self) -> None:
        """Close all connections; the last one folds the log back into the file."""
        async with self._write_lock:
            for connection in [*self._idle_readers, *filter(None, [self._writer])]:
                connection.close()
            self._idle_readers.clear()
            self._writer = None
            self._sync_engine.dispose()
        self._commit_thread.shutdown(wait=True)
        self._read_threads.shutdown(wait=True)

    def _connect(self) -> sa.Connection:
        try:
            return self._sync_engine.connect()
        except DBAPIError as error:
            raise self.engine.translate(error) from None

    async def _begin(self, patient_until: float) -> sa.Connection:
        while True:
            if self._writer is None:
                self._writer = self._connect()
            writer = self._writer
            try:
                _driver_of(writer).execute("BEGIN IMMEDIATE")
            except sqlite3.Error as error:
                problem = _meant_by(error, self.engine)
                self._take_back(writer, problem)
                late = asyncio.get_running_loop().time() > patient_until
                if late or not isinstance(problem, StorageBusy):
                    raise problem from None
                await asyncio.sleep(random.uniform(0.001, 0.02))  # noqa: S311 - spread, no secret
            else:
                return writer

    def _take_back(self, writer: sa.Connection, error: BaseException) -> None:
        """Roll back; after an error of the file, nothing the connection remembers is relied on."""
        if not _rolled_back(writer) or isinstance(error, StorageUnavailable):
            self._writer = None
            _give_up(writer)

    async def _commit(self, connection: sa.Connection) -> asyncio.CancelledError | None:
        commit = _driver_of(connection).commit
        done = asyncio.get_running_loop().run_in_executor(self._commit_thread, commit)
        given_up = await _settled(done)
        try:
            done.result()
        except sqlite3.Error as error:
            raise _meant_by(error, self.engine) from None
        if connection.in_transaction():  # SQLAlchemy's part in it: there is nothing left to commit
            connection.commit()
        return given_up


def _driver_of(connection: sa.Connection) -> sqlite3.Connection:
    """Return the driver's connection: BEGIN and COMMIT are ours, and cost it a tenth."""
    driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
    return driver


def _meant_by(error: sqlite3.Error, engine: Engine) -> StorageError:
    told = DBAPIError.instance("", None, error, sqlite3.Error)
    return engine.translate(told)  # type: ignore[arg-type]  # it is one


def _rolled_back(connection: sa.Connection) -> bool:
    try:
        _driver_of(connection).rollback()
        connection.rollback()
    except (sqlite3.Error, DBAPIError):
        return False
    return True


def _give_up(connection: sa.Connection) -> None:
    with contextlib.suppress(DBAPIError):
        connection.close()


async def _settled(done: asyncio.Future[Any]) -> asyncio.CancelledError | None:
    """Wait for a thread's end; return the cancellation that came meanwhile, if one did.

    The thread goes on whatever became of the request, so nobody else may get the connection before.
    A scope that ends cancels again and again: each of them waits as the first did.
    """
    given_up = None
    while not done.done():
        try:
            with contextlib.suppress(Exception):  # that is for whoever asked
                await asyncio.shield(done)
        except asyncio.CancelledError as error:
            given_up = error
    done.exception()  # looked at, so that nobody warns of it when the request is given up
    return given_up


def sqlite_engine(path: Path, *, lock_wait_s: float = 0) -> sa.Engine:
    """Return an engine whose connections carry our pragmas, for one SQLite file.

    ``lock_wait_s``: how long a statement waits, blocking its thread, for another process.
    """
    engine = sa.create_engine(
        f"sqlite+pysqlite:///{path}",
        poolclass=sa.NullPool,
        hide_parameters=True,
        # We say BEGIN ourselves; connections move between threads, never used by two at once.
        connect_args={"isolation_level": None, "check_same_thread": False, "timeout": 0},
    )

    @sa.event.listens_for(engine, "connect")
    def _set_pragmas(connection: Any, _record: object) -> None:
        # Turning WAL on takes the whole file for a moment, so it waits in any case.
        connection.execute(f"PRAGMA busy_timeout={int(_LOCK_WAIT_S * 1000)}")
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        connection.execute(f"PRAGMA busy_timeout={int(lock_wait_s * 1000)}")

    return engine


class _PostgresTx(_TxBase):
    def __init__(self, home: _Home, connection: AsyncConnection, now: datetime) -> None:
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
        with _translated(self.engine):
            return (await self._connection.execute(statement, params)).all()

    async def run(self, statement: sa.Executable, params: Params | None = None) -> int:
        with _translated(self.engine):
            return (await self._connection.execute(statement, params)).rowcount

    async def rows_of(self, statement: Prepared, params: Mapping[str, Any]) -> Sequence[Row]:
        on = statement.on(self.engine)
        with _translated(self.engine):
            found = await self._connection.exec_driver_sql(on.sql, on.values(params))
            return on.read(found.all())

    async def run_of(self, statement: Prepared, params: Mapping[str, Any]) -> int:
        on = statement.on(self.engine)
        with _translated(self.engine):
            found = await self._connection.exec_driver_sql(on.sql, on.values(params))
            return found.rowcount

    async def run_many(self, statement: Prepared, rows: Sequence[Mapping[str, Any]]) -> None:
        on = statement.on(self.engine)
        with _translated(self.engine):
            await self._connection.exec_driver_sql(on.sql, [on.values(row) for row in rows])

    async def plain_rows_of(self, statement: Prepared, params: Mapping[str, Any]) -> Sequence[Any]:
        on = statement.on(self.engine)
        with _translated(self.engine):
            if self._driver is not None:
                rows: Sequence[Any] = await self._driver.fetch(on.sql, *on.values(params))
                return rows
            found = await self._connection.exec_driver_sql(on.sql, on.values(params))
            raw = await self._connection.get_raw_connection()
            self._driver = raw.driver_connection
            return found.all()

    async def run_rows(self, statement: Prepared, rows: Sequence[Values]) -> None:
        on = statement.on(self.engine)
        arranged = on.arranged(rows)
        with _translated(self.engine):
            if self._driver is None:
                await self._connection.exec_driver_sql(on.sql, list(arranged))
            elif len(arranged) == 1:  # a round trip less
                await self._driver.execute(on.sql, *arranged[0])
            else:
                await self._driver.executemany(on.sql, arranged)

    async def insert_together(self, rows: Sequence[tuple[Prepared, Mapping[str, Any]]]) -> None:
        compiled = [statement.on(self.engine) for statement, _ in rows]
        values = [on.values(row) for on, (_, row) in zip(compiled, rows, strict=True)]
        sql = together(tuple(on.sql for on in compiled))
        with _translated(self.engine):
            await self._connection.exec_driver_sql(sql, tuple(chain.from_iterable(values)))

    async def on_connection(self, function: Callable[[sa.Connection], T]) -> T:
        with _translated(self.engine):
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
            pool_timeout=_LOCK_WAIT_S,
            pool_pre_ping=False,
            hide_parameters=True,
            connect_args={
                "timeout": _LOCK_WAIT_S,
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
        with _translated(self.engine):
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
        with _translated(self.engine):
            async with self.async_engine.begin() as connection:
                yield _PostgresTx(self, connection, self._clock.now())


@dataclass
class _translated:  # noqa: N801 - reads as a word in `with`
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


def open_database(
    url: str, *, clock: Clock | None = None, vault: Vault | None = None, patient: bool = False
) -> SQLiteDatabase | PostgresDatabase:
    """Return the database of ``sqlite:///path`` or ``postgresql://...``.

    ``patient``: statements may take as long as they take.

    Raises:
        ValueError: another kind of address.

    """
    try:
        parsed = sa.make_url(url)
    except SQLAlchemyError:
        raise ValueError("it is no database address") from None
    if parsed.get_backend_name() == "postgresql":
        limit = None if patient else 60
        return PostgresDatabase(url, clock=clock, vault=vault, statement_s=limit)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        return SQLiteDatabase(Path(parsed.database), clock=clock, vault=vault)
    raise ValueError("a database address begins with sqlite:/// or postgresql://")
