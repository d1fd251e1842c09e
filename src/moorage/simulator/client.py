"""HTTP/1.1 for ten thousand devices: a bounded pool of connections, and no more than is needed.

A library for all of HTTP costs several times what a report costs the server. This one sends a
request with a known length and reads one answer; it follows no redirect and knows no proxy.
"""

import asyncio
import json
import ssl
import time
import urllib.parse
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from moorage.simulator.behaviour import Fate
from moorage.simulator.sending import Outcome, Unreachable
from moorage_agent.transport import Answer

_CONNECT_WITHIN_S = 10.0
_ANSWER_WITHIN_S = 30.0
# Less than servers keep a quiet connection: one that is used again is then still there.
_KEPT_FOR_S = 3.0
_LONGEST_ANSWER = 1024 * 1024
_LONGEST_HEAD = 64 * 1024


class _Broken(Exception):
    """The connection ended, or what came is no HTTP; ``silent``: before a byte of an answer."""

    def __init__(self, *, silent: bool = False) -> None:
        super().__init__("broken")
        self.silent = silent


@dataclass(eq=False, slots=True)
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    used_at: float

    @property
    def is_fresh(self) -> bool:
        return time.monotonic() - self.used_at < _KEPT_FOR_S and not (
            self.reader.at_eof() or self.writer.is_closing()
        )


class Client:
    """Requests to one server over at most so many connections; the rest wait their turn."""

    def __init__(self, url: str, *, connections: int, ca_file: str | None = None) -> None:
        """Keep the address; nothing is opened yet.

        Raises:
            ValueError: it is no address of a server.

        """
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("the server's address is http:// or https:// and a name")
        self._host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._prefix = parts.path.rstrip("/")
        self._head = f"Host: {parts.netloc.rpartition('@')[2]}\r\nAccept: application/json\r\n"
        self._tls = ssl.create_default_context(cafile=ca_file) if parts.scheme == "https" else None
        self._turns = asyncio.Semaphore(connections)
        self._idle: deque[_Connection] = deque()

    async def close(self) -> None:
        """Close what is open."""
        while self._idle:
            self._idle.pop().writer.close()
        # A closing transport is gone with the loop's next turn.
        await asyncio.sleep(0)

    async def request(
        self,
        method: str,
        path: str,
        body: bytes,
        headers: Callable[[], Mapping[str, str]],
        fate: Fate = Fate.DELIVER,
    ) -> Outcome:
        """Send a request and return what came of it; a spoiled one comes to nothing.

        ``headers`` are asked for once it is this request's turn: one of them tells the time.
        """
        async with self._turns:
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers().items())
            length = f"Content-Length: {len(body)}\r\n" if body or method != "GET" else ""
            head = f"{method} {self._prefix}{path} HTTP/1.1\r\n{self._head}{lines}{length}\r\n"
            try:
                async with asyncio.timeout(_ANSWER_WITHIN_S):
                    answer = await self._exchange(head.encode("latin-1") + body, fate)
            except TimeoutError:
                return Unreachable("no answer in time")
            except _Broken:
                return Unreachable("the connection broke")
            except OSError:
                return Unreachable("no connection")
        if answer is None or fate is Fate.LOSE_ANSWER:
            return Unreachable("the answer was lost")
        return answer

    async def _exchange(self, request: bytes, fate: Fate) -> Answer | None:
        connection = self._take()
        if connection is not None:
            try:
                return await self._over(connection, request, fate)
            except _Broken as error:
                # Servers close quiet connections; that is nothing that happened to the report.
                if not error.silent:
                    raise
        return await self._over(await self._connect(), request, fate)

    def _take(self) -> _Connection | None:
        while self._idle:
            # The last used: those that are not needed grow old together and go.
            connection = self._idle.pop()
            if connection.is_fresh:
                return connection
            connection.writer.close()
        return None

    async def _connect(self) -> _Connection:
        async with asyncio.timeout(_CONNECT_WITHIN_S):
            reader, writer = await asyncio.open_connection(
                self._host, self._port, ssl=self._tls, limit=_LONGEST_HEAD
            )
        return _Connection(reader, writer, time.monotonic())

    async def _over(self, connection: _Connection, request: bytes, fate: Fate) -> Answer | None:
        keep = False
        try:
            connection.writer.write(request)
            await connection.writer.drain()
            if fate is Fate.CUT:
                return None
            answer, keep = await _read(connection.reader)
        except ConnectionError:
            raise _Broken(silent=True) from None
        finally:
            if keep:
                connection.used_at = time.monotonic()
                self._idle.append(connection)
                self._let_go_of_old()
            else:
                connection.writer.close()
        return answer

    def _let_go_of_old(self) -> None:
        while self._idle and not self._idle[0].is_fresh:
            self._idle.popleft().writer.close()


async def _read(reader: asyncio.StreamReader) -> tuple[Answer, bool]:
    """Read one answer; return it and whether the connection can be used again."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        raise _Broken(silent=not error.partial) from None
    except asyncio.LimitOverrunError:
        raise _Broken from None
    try:
        first, *lines = head.decode("latin-1").split("\r\n")
        status = int(first.split(" ", 2)[1])
        headers = {}
        for line in filter(None, lines):
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        content, whole = await _content(reader, status, headers)
    except (ValueError, IndexError, asyncio.IncompleteReadError):
        raise _Broken from None
    keep = whole and headers.get("connection", "").lower() != "close"
    wait = headers.get("retry-after", "")
    retry_after_s = float(wait) if wait.isascii() and wait.isdigit() else None
    return Answer(status, _object(content), retry_after_s), keep


async def _content(
    reader: asyncio.StreamReader, status: int, headers: dict[str, str]
) -> tuple[bytes, bool]:
    """Return the body, and whether its end was marked."""
    if status in (204, 304):
        return b"", True
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return await _chunks(reader), True
    if "content-length" not in headers:
        return await reader.read(_LONGEST_ANSWER), False
    length = int(headers["content-length"])
    if not 0 <= length <= _LONGEST_ANSWER:
        raise ValueError("too long")
    return await reader.readexactly(length), True


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts = bytearray()
    while True:
        size = int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16)
        if not 0 <= size <= _LONGEST_ANSWER - len(parts):
            raise ValueError("too long")
        if size == 0:
            while await reader.readuntil(b"\r\n") != b"\r\n":
                pass  # trailers
            return bytes(parts)
        parts += (await reader.readexactly(size + 2))[:-2]


def _object(content: bytes) -> dict[str, object] | None:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
