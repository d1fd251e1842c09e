"""SQLite by the plain synchronous driver: one file, one writer, readers beside it.

Why that driver, and figures, are in docs/decisions/0001-storage.md.
"""

import asyncio
import contextlib
import random
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from moorage.kit.clock import Clock, SystemClock
from moorage.storage.announcements import Announcements
from moorage.storage.database import Params, Row, T, Tx
from moorage.storage.dialect import Engine, SQLite
from moorage.storage.errors import StorageBusy, StorageError, StorageUnavailable
from moorage.storage.prepared import Prepared, Values
from moorage.storage.transaction import LOCK_WAIT_S, Home, TxBase
from moorage.storage.turns import Shared, Turns
from moorage.storage.vault import Vault

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


class _SQLiteTx(TxBase):
    """A transaction on one connection of the plain synchronous driver.

    ``offload``: run statements in a thread. Reads do, because a scan may take long; writes are many
    and short, and a thread hop costs more than the statement does.
    """

    def __init__(
        self,
        home: Home,
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
        lock_wait_s: float = LOCK_WAIT_S,
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
        self._turns: Turns[sa.Connection] = Turns()
        self._commit_thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite-commit")
        self._read_threads = ThreadPoolExecutor(readers, thread_name_prefix="sqlite-read")
        self._idle_readers: list[sa.Connection] = []
        self._reader_slots = asyncio.Semaphore(readers)

    @asynccontextmanager
    async def write(self, *, brief: bool = False) -> AsyncIterator[Tx]:
        """BEGIN IMMEDIATE … COMMIT on the one writing connection, or a SAVEPOINT within one."""
        # From when it was asked for: who waited for others that were refused is refused at once.
        patient_until = asyncio.get_running_loop().time() + self._lock_wait_s
        shared = await self._turn(patient_until, brief=brief)
        follows = shared.members > 0
        try:
            if follows:
                self._say(shared, "SAVEPOINT follower")
            tx = _SQLiteTx(self, shared.connection, self._clock.now(), offload=None)
            yield tx
            await tx.finish()
            if follows:
                self._say(shared, "RELEASE follower")
        except BaseException as error:
            await self._undo(shared, error)
            raise
        shared.members += 1
        given_up = await self._end_turn(shared)
        given_up = await _settled(shared.done) or given_up
        shared.check()
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
        await self._turns.ask()
        try:
            for connection in [*self._idle_readers, *filter(None, [self._writer])]:
                connection.close()
            self._idle_readers.clear()
            self._writer = None
            self._sync_engine.dispose()
        finally:
            self._turns.pass_on()
        self._commit_thread.shutdown(wait=True)
        self._read_threads.shutdown(wait=True)

    def _connect(self) -> sa.Connection:
        try:
            return self._sync_engine.connect()
        except DBAPIError as error:
            raise self.engine.translate(error) from None

    async def _turn(self, patient_until: float, *, brief: bool) -> Shared[sa.Connection]:
        """Wait to be the one who writes; return the transaction to write in."""
        turn = self._turns.ask(brief=brief)
        try:
            follows = turn.result() if turn.done() else await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it came at the same moment
                await self._end_turn(turn.result())
            raise
        if follows is not None:
            return follows
        try:
            return Shared(await self._begin(patient_until), brief=brief)
        except BaseException:
            self._turns.pass_on()
            raise

    async def _end_turn(
        self, shared: Shared[sa.Connection] | None
    ) -> asyncio.CancelledError | None:
        """Let the next follow in the same transaction, or commit it."""
        given_up = None
        if shared is not None:
            if shared.open and self._turns.next_is_brief:
                self._turns.pass_on(shared)
                return None
            try:
                given_up = await self._commit(shared.connection)
            except BaseException as error:  # noqa: BLE001 - told to all who wait for it
                self._take_back(shared.connection, error)
                shared.end(error)
            else:
                shared.end(None)
        self._turns.pass_on()
        return given_up

    async def _undo(self, shared: Shared[sa.Connection], error: BaseException) -> None:
        """Take back what one did, and nothing that others did before it in the same transaction."""
        if shared.members and not isinstance(error, StorageUnavailable):
            try:
                # Some errors of the disk undo the whole transaction by themselves.
                self._say(shared, "ROLLBACK TO follower")
                self._say(shared, "RELEASE follower")
            except StorageError as broken:
                error = error if isinstance(error, StorageError) else broken
            else:
                await self._end_turn(shared)
                return
        self._take_back(shared.connection, error)
        shared.end(error)
        self._turns.pass_on()

    def _say(self, shared: Shared[sa.Connection], sql: str) -> None:
        try:
            _driver_of(shared.connection).execute(sql)
        except sqlite3.Error as error:
            raise _meant_by(error, self.engine) from None

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
        connection.execute(f"PRAGMA busy_timeout={int(LOCK_WAIT_S * 1000)}")
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        connection.execute(f"PRAGMA busy_timeout={int(lock_wait_s * 1000)}")

    return engine
