"""Announcements between the servers of one PostgreSQL.

What is announced for sure is a row in the transaction that changed something. After the commit one
NOTIFY tells the other servers all topics of the moment; NOTIFY inside the transaction would make
all that announce take turns at the disk. NOTIFY is only quick: what comes late or never, because a
connection was cut or a server died between commit and call, is found in the table a moment later.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from moorage.storage.announcements import EVERYTHING, KEPT
from moorage.storage.database import Database
from moorage.storage.postgresql import PostgresDatabase

_log = structlog.get_logger("moorage.storage")
CHANNEL: Final = "moorage"
_POLL_EVERY_S = 0.4
_ANSWER_WITHIN_S = 2.0
_CONNECT_WITHIN_S = 5.0
# What is told within this time goes together.
_GATHER_S = 0.005
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
# A connection that lasted so long was a good one: the next pause is a first one again.
_STEADY_S = 10.0
# A row gets its time a moment before its commit: we look back this far, and see it once.
_LOOK_BACK_S = 5.0
# PostgreSQL takes less than 8,000 bytes.
_PAYLOAD_BYTES = 7_900
_MOST_PAYLOADS = 8
_MOST_WAITING = 5_000
_MOST_ROWS = 5_000  # as in the statement
_SELECT = (
    "SELECT id, topics FROM announcements WHERE at > "
    "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint) - CAST({} AS bigint) LIMIT 5000"
)
_SELECT_HERE, _SELECT_BY_POOL = _SELECT.format("$1"), sa.text(_SELECT.format(":back_ms"))
_KEPT_S = KEPT.total_seconds()
_NEVER = float("-inf")
_decode = msgspec.json.Decoder(list[str]).decode


class Relay:
    """One server's ear and mouth: a connection of its own, outside the pool."""

    def __init__(self, db: PostgresDatabase) -> None:
        """Keep the parts; nothing is opened before ``start``."""
        self._db = db
        self._announcements = db.announcements
        self._me = secrets.token_hex(6)
        self._outgoing: set[str] = set()
        self._something = asyncio.Event()
        self._seen: dict[int, float] = {}
        self._heard_until = _NEVER
        self._cut = False
        self._task: asyncio.Task[None] | None = None

    @property
    def heard_until(self) -> float:
        """The steady time up to which all that others announced was heard."""
        return self._heard_until

    def send(self, topics: Iterable[str]) -> None:
        """Tell the others within milliseconds; when that cannot be, they find it in the table."""
        self._outgoing.update(topics)
        if len(self._outgoing) > _MOST_WAITING:
            self._outgoing = {EVERYTHING}
        self._something.set()

    def start(self) -> None:
        """Begin."""
        self._announcements.carrier = self
        self._task = asyncio.create_task(self._run(), name="announcements")

    async def stop(self) -> None:
        """End; what was not told yet is in the table."""
        self._announcements.carrier = None
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        pause = _FIRST_PAUSE_S
        while True:
            began = time.monotonic()
            try:
                async with self._connected() as connection:
                    await self._attend(connection)
            except Exception as error:  # noqa: BLE001 - whatever it was, it is tried again
                if not self._cut:
                    self._cut = True
                    _log.warning("announcements_cut", error=type(error).__name__)
            pause = _FIRST_PAUSE_S if time.monotonic() - began > _STEADY_S else pause * 2
            pause = min(pause, _LONGEST_PAUSE_S)
            await self._bridge(pause)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Any]:
        """Open the connection and listen on it."""
        engine = create_async_engine(
            self._db.async_engine.url,
            poolclass=NullPool,
            hide_parameters=True,
            connect_args={
                "timeout": _CONNECT_WITHIN_S,
                # A NOTIFY is lost in a crash anyway, so it waits for no disk.
                "server_settings": {
                    "application_name": "moorage-announcements",
                    "synchronous_commit": "off",
                },
            },
        )
        async with engine.connect() as outer:
            connection: Any = (await outer.get_raw_connection()).driver_connection
            try:
                await connection.add_listener(CHANNEL, self._told)
                yield connection
            finally:
                # Listened on: nothing for SQLAlchemy to tidy up and give to somebody else.
                connection.terminate()

    async def _attend(self, connection: Any) -> None:
        """Look into the table, tell and be told, until the connection breaks."""
        while True:
            began = time.monotonic()
            back_ms = self._back_ms(began)
            rows = await connection.fetch(_SELECT_HERE, back_ms, timeout=_ANSWER_WITHIN_S)
            self._found(rows, began)
            if self._cut:
                self._cut = False
                _log.info("announcements_back")
            while (left := began + _POLL_EVERY_S - time.monotonic()) > 0:
                try:
                    async with asyncio.timeout(left):
                        await self._something.wait()
                except TimeoutError:
                    break
                await asyncio.sleep(_GATHER_S)
                await self._tell(connection)

    async def _bridge(self, pause: float) -> None:
        """Look into the table by the pool's connections until it is time to try again."""
        until = time.monotonic() + pause
        while (left := until - time.monotonic()) > 0:
            began = time.monotonic()
            try:
                async with asyncio.timeout(_ANSWER_WITHIN_S), self._db.read() as tx:
                    found = await tx.rows(_SELECT_BY_POOL, {"back_ms": self._back_ms(began)})
                self._found(found, began)
            except Exception as error:  # noqa: BLE001 - what hangs on it is not trusted meanwhile
                _log.debug("announcements_not_read", error=type(error).__name__)
            await asyncio.sleep(min(left, _POLL_EVERY_S))

    def _back_ms(self, now: float) -> int:
        """Return how far back to look: to what was heard last, and a little further."""
        missed = 0.0 if self._heard_until == _NEVER else now - self._heard_until
        return int((missed + _LOOK_BACK_S) * 1000)

    def _found(self, rows: Sequence[Any], looked_at: float) -> None:
        long_ago = looked_at - _KEPT_S / 2
        if _NEVER < self._heard_until < long_ago or len(rows) == _MOST_ROWS:
            self._announcements.publish(EVERYTHING)  # there may have been more than we see
        for row_id, topics in rows:
            if row_id not in self._seen:
                for topic in _decode(topics):
                    self._announcements.publish(topic)
            self._seen[row_id] = looked_at
        if self._seen and next(iter(self._seen.values())) < looked_at:
            # What is not in sight any more does not come back.
            self._seen = {row: at for row, at in self._seen.items() if at >= looked_at}
        self._heard_until = looked_at

    def _told(self, _connection: Any, _pid: int, _channel: str, payload: str) -> None:
        sender, *topics = payload.split("\n")
        if sender != self._me:
            for topic in topics:
                self._announcements.publish(topic)

    async def _tell(self, connection: Any) -> None:
        self._something.clear()
        topics, self._outgoing = self._outgoing, set()
        for payload in payloads(self._me, topics):
            told = "SELECT pg_notify($1, $2)"
            await connection.execute(told, CHANNEL, payload, timeout=_ANSWER_WITHIN_S)


@asynccontextmanager
async def relayed(db: Database) -> AsyncIterator[None]:
    """Tell and hear other servers of the database within the block; SQLite has no others."""
    if not isinstance(db, PostgresDatabase):
        yield
        return
    relay = Relay(db)
    relay.start()
    try:
        yield
    finally:
        await relay.stop()


def payloads(sender: str, topics: Iterable[str]) -> list[str]:
    """Return the texts that tell of topics, each short enough; too many become one for all."""
    made: list[list[str]] = []
    size = _PAYLOAD_BYTES
    for topic in topics:
        weight = len(topic.encode()) + 1
        if size + weight > _PAYLOAD_BYTES:
            if len(made) == _MOST_PAYLOADS or weight > _PAYLOAD_BYTES - len(sender) - 1:
                return [f"{sender}\n{EVERYTHING}"]
            made.append([sender])
            size = len(sender) + 1
        made[-1].append(topic)
        size += weight
    return ["\n".join(one) for one in made]
