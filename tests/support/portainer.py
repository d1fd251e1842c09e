"""The far side of a contract: as much of Portainer as is called, as strict as the real one is.

A real socket on loopback, in the test's own loop. What goes wrong is asked for, one call at a time.
"""

import asyncio
import base64
import email
import email.policy
import gzip
import json
import socket
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

FINGERPRINT = "fb:a3:11:02:9c:00:7e:55:4b:83:d1:02:66:3e:9f:10"
SECRET_VALUE = "hunter2-in-a-container"


class Fault(Enum):
    """What goes wrong with one call."""

    ERROR = auto()  # 500, nothing done
    ERROR_DONE = auto()  # 500, done all the same
    DROP = auto()  # the connection breaks, nothing done
    DROP_DONE = auto()  # it breaks after the work
    SLOW = auto()  # no answer until the server is told to go on
    SLOW_DONE = auto()  # done, and then no answer
    REDIRECT = auto()  # to another address
    UNAUTHORIZED = auto()
    FORBIDDEN = auto()
    BAD_REQUEST = auto()
    GARBAGE = auto()  # 200 and no JSON
    HUGE = auto()  # 200 and more than anybody reads
    PACKED = auto()  # gzip nobody asked for
    TRICKLE = auto()  # done, and the answer comes a byte at a time
    KEYLESS = auto()  # done, 200, without the Edge key


@dataclass
class Seen:
    """A request as it came."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((text for key, text in self.headers if key == name), None)


@dataclass
class Answer:
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


def refusal(status: int, message: str, details: str = "") -> Answer:
    return Answer(status, {"message": message, "details": details})


class FakePortainer:
    """``async with FakePortainer() as fake``; its rows and what it saw are there to look at."""

    def __init__(self, certificate: tuple[Path, Path] | None = None) -> None:
        """``certificate``: speak TLS with this one and its key."""
        self._tls = None
        if certificate is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(*certificate)
        self.api_key = "ptr_" + base64.b64encode(b"made up for the tests, 32 bytes!").decode()
        self.rows: dict[int, dict[str, Any]] = {}
        self.seen: list[Seen] = []
        self.faults: deque[Fault] = deque()
        # For every call until it is taken back, when no other fault is due.
        self.fault: Fault | None = None
        self.endless = False  # lists of containers never stop
        self.port = 0
        self.broken_off = 0  # answers whose reader went away
        self._next_id = 1
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}
        self._go_on = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}"

    @property
    def created(self) -> list[Seen]:
        return [one for one in self.seen if (one.method, one.path) == ("POST", "/api/endpoints")]

    @property
    def keys(self) -> list[str]:
        return [row["EdgeKey"] for row in self.rows.values()]

    async def __aenter__(self) -> Self:
        # Bound and never listening: while it is down nobody else gets its port.
        self._holds_port = socket.socket()
        self._holds_port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._holds_port.bind(("127.0.0.1", 0))
        self.port = self._holds_port.getsockname()[1]
        await self.up()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.down()
        self._holds_port.close()

    async def up(self) -> None:
        self._go_on.clear()
        self._server = await asyncio.start_server(
            self._connected, "127.0.0.1", self.port, ssl=self._tls, reuse_port=True
        )

    async def down(self) -> None:
        """Nobody listens any more; connections that are open break."""
        self._go_on.set()
        server, self._server = self._server, None
        if server is not None:
            server.close()
            for writer in list(self._connections):
                writer.transport.abort()
            await server.wait_closed()

    def go_on(self) -> None:
        """Let slow calls be answered."""
        self._go_on.set()

    def add(self, name: str, *, edge_id: str = "", kind: int = 4) -> dict[str, Any]:
        """A row that somebody else made."""
        return self._store(
            name, "https://somewhere.example", "somewhere.example:8000", edge_id, kind
        )

    def _store(self, name: str, url: str, tunnel: str, edge_id: str, kind: int) -> dict[str, Any]:
        number, self._next_id = self._next_id, self._next_id + 1
        joined = f"{url}|{tunnel}|{FINGERPRINT}|{number}"
        key = base64.b64encode(joined.encode()).decode().rstrip("=")
        self.rows[number] = {
            "Id": number,
            "Name": name,
            "Type": kind,
            "EdgeKey": key,
            "EdgeID": edge_id,
            "Snapshots": [],
        }
        return self.rows[number]

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is None:  # accepted a moment before it went down
            writer.transport.abort()
            return
        ours = asyncio.current_task()
        assert ours is not None
        self._connections[writer] = ours
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            self.broken_off += 1
        finally:
            self._connections.pop(writer, None)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return False
        request_line, *lines = head.decode("latin-1").strip().split("\r\n")
        method, target, _ = request_line.split(" ")
        headers = [
            (key.lower(), text.strip()) for key, _, text in (x.partition(":") for x in lines)
        ]
        length = int(dict(headers).get("content-length", "0"))
        body = await reader.readexactly(length)
        parts = urlsplit(target)
        query = parse_qs(parts.query, keep_blank_values=True)
        request = Seen(method, parts.path, query, headers, body)
        self.seen.append(request)
        fault = self.faults.popleft() if self.faults else self.fault
        return await self._answer(request, fault, writer)

    async def _answer(
        self, request: Seen, fault: Fault | None, writer: asyncio.StreamWriter
    ) -> bool:
        if fault is Fault.SLOW:
            await self._go_on.wait()
        answer = None
        if fault is not Fault.DROP:
            answer = self._spoiled(fault) or await self._work(request, writer)
        if fault is Fault.SLOW_DONE:
            await self._go_on.wait()
        if fault in (Fault.DROP, Fault.DROP_DONE):
            writer.transport.abort()
        if answer is None or writer.transport.is_closing():
            return False
        if fault is Fault.ERROR_DONE:
            answer = refusal(500, "Unable to persist the relation object", "database is locked")
        if fault is Fault.TRICKLE:
            await self._trickle(writer)
            return False
        content = self._content(answer, fault)
        # A session cookie with every answer: who sends it back is refused.
        headers = {"set-cookie": "portainer_api_key=abc; Path=/", **answer.headers}
        await self._write(writer, answer.status, headers, content, head=request.method == "HEAD")
        return True

    def _spoiled(self, fault: Fault | None) -> Answer | None:
        """What comes instead of any work."""
        elsewhere = {"location": f"{self.url}/elsewhere", "set-cookie": "s=1"}
        spoiled = {
            Fault.ERROR: refusal(500, "Unable to persist", "database is locked"),
            Fault.REDIRECT: Answer(307, headers=elsewhere),
            Fault.UNAUTHORIZED: refusal(401, "A valid authorisation token is missing"),
            Fault.FORBIDDEN: refusal(403, "Access denied", "not for you"),
            Fault.BAD_REQUEST: refusal(400, "Invalid request payload", f"key {self.api_key}"),
        }
        return spoiled.get(fault) if fault else None

    def _content(self, answer: Answer, fault: Fault | None) -> bytes:
        if fault is Fault.KEYLESS and isinstance(answer.body, dict):
            answer.body = {key: one for key, one in answer.body.items() if key != "EdgeKey"}
        content = b"" if answer.body is None else json.dumps(answer.body).encode()
        if fault is Fault.GARBAGE:
            return b"<html>welcome to another program</html>"
        if fault is Fault.HUGE:
            return b" " * (8 * 1024 * 1024) + content
        if fault is Fault.PACKED:
            answer.headers["content-encoding"] = "gzip"
            return gzip.compress(b" " * 50_000_000 + content)
        return content

    async def _trickle(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        while not writer.transport.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    async def _write(
        self,
        writer: asyncio.StreamWriter,
        status: int,
        headers: dict[str, str],
        content: bytes,
        *,
        head: bool,
    ) -> None:
        headers = {"content-type": "application/json", **headers}
        headers.setdefault("content-length", str(len(content)))
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
        lines += [f"{name}: {text}" for name, text in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + (b"" if head else content))
        await writer.drain()

    async def _work(self, request: Seen, writer: asyncio.StreamWriter) -> Answer | None:
        if request.path == "/api/system/status":
            return Answer(200, {"Version": "2.33.0", "InstanceID": "made-up"})
        refused = self._login(request)
        if refused is not None:
            return refused
        if request.path == "/api/endpoints":
            return self._create(request) if request.method == "POST" else self._list(request)
        return await self._with_row(request, writer)

    async def _with_row(self, request: Seen, writer: asyncio.StreamWriter) -> Answer | None:
        _, _, number, *rest = request.path.removeprefix("/").split("/")
        row = self.rows.get(int(number))
        if row is None:
            return refusal(404, "Unable to find an environment with the specified identifier")
        if rest[:1] == ["docker"]:
            return await self._docker(request, "/".join(rest[1:]), writer)
        if request.method == "DELETE":
            del self.rows[row["Id"]]
            return Answer(204)
        return Answer(200, row)

    def _login(self, request: Seen) -> Answer | None:
        """One login and no other beside it."""
        given = [text for name, text in request.headers if name == "x-api-key"]
        if {"authorization", "cookie"} & dict(request.headers).keys() or "token" in request.query:
            return refusal(403, "Access denied", "more than one way to log in")
        if given != [self.api_key]:
            return refusal(401, "Invalid API key")
        return None

    def _create(self, request: Seen) -> Answer:
        form = form_of(request)
        if form is None:
            return refusal(400, "Invalid request payload", "request Content-Type isn't multipart")
        name, url = form.get("Name", ""), form.get("URL", "")
        host = urlsplit(url).hostname
        if not name or form.get("EndpointCreationType") != "4":
            return refusal(400, "Invalid request payload", "invalid environment name")
        if not host or host == "localhost":
            return refusal(400, "Unable to parse host", "cannot use localhost as environment URL")
        if any(row["Name"] == name for row in self.rows.values()):
            return refusal(409, "Name is not unique")
        row = self._store(name, url, form.get("EdgeTunnelServerAddress", f"{host}:8000"), "", 4)
        row["TagIds"] = json.loads(form.get("TagIds", "[]"))
        row["GroupId"] = int(form.get("GroupID", "1"))
        row["EdgeCheckinInterval"] = int(form.get("EdgeCheckinInterval", "0"))
        return Answer(200, dict(row))

    def _list(self, request: Seen) -> Answer:
        # Without the brackets the filter is not one.
        kinds = {int(one) for one in request.query.get("types[]", [])}
        names = request.query.get("name", [])
        found = [
            dict(row)
            for row in self.rows.values()
            if (not kinds or row["Type"] in kinds) and (not names or row["Name"] in names)
        ]
        if request.query.get("excludeSnapshots") != ["true"]:
            for row in found:
                row["Snapshots"] = [{"DockerSnapshotRaw": " " * 5_000_000}]
        return Answer(200, found)

    async def _docker(
        self, request: Seen, path: str, writer: asyncio.StreamWriter
    ) -> Answer | None:
        environment = [f"PASSWORD={SECRET_VALUE}", "EMPTY=", "PLAIN"]
        config = {"Env": environment, "Labels": {"com.example": "kept"}, "Image": "camera:1"}
        answers: dict[str, Callable[[], Answer]] = {
            "containers/json": lambda: Answer(200, [{"Id": "c1", "Names": ["/camera"]}]),
            "containers/c1/json": lambda: Answer(200, {"Id": "c1", "Config": config}),
            "images/team/camera:1/json": lambda: Answer(
                200, {"Config": config, "ContainerConfig": config}
            ),
            "containers/c1/start": lambda: Answer(304),
            "containers/c1/stop": lambda: Answer(204),
            "info": lambda: Answer(200, {"asked": request.query}),
        }
        if path == "containers/json" and self.endless:
            await self._endless(writer)
            return None
        if path in answers:
            return answers[path]()
        if path == "containers/c1/logs":
            await self._logs(writer, follow=request.query.get("follow") == ["1"])
            return None
        return refusal(404, "No such container")

    async def _endless(self, writer: asyncio.StreamWriter) -> None:
        """More and more, for as long as somebody reads."""
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while not writer.transport.is_closing():
            writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
            await writer.drain()

    async def _logs(self, writer: asyncio.StreamWriter, *, follow: bool) -> None:
        """Chunks, without an end when followed; the connection ends with them."""
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/vnd.docker.raw-stream\r\n"
            b"set-cookie: a=b\r\nserver: engine\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        for at in range(3):
            line = f"line {at}\n".encode()
            writer.write(b"%x\r\n%s\r\n" % (len(line), line))
            await writer.drain()
        if follow:
            await self._go_on.wait()
        writer.write(b"0\r\n\r\n")
        await writer.drain()


def form_of(request: Seen) -> dict[str, str] | None:
    """The fields of a multipart form; None for any other body."""
    kind = request.header("content-type") or ""
    if not kind.startswith("multipart/form-data"):
        return None
    message = email.message_from_bytes(
        f"content-type: {kind}\r\n\r\n".encode() + request.body, policy=email.policy.HTTP
    )
    return {
        str(part.get_param("name", header="content-disposition")): str(
            part.get_payload(decode=True), "utf-8"
        )
        for part in message.iter_parts()
        if part.get_filename() is None
    }
