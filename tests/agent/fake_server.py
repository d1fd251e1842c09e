"""A server as the protocol has it, in a few lines of its own: it checks every chain itself."""

import gzip
import hashlib
import json
import socket
import ssl
import threading
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def sha256(data: str | bytes) -> str:
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


@dataclass
class Reply:
    """What is answered in place of the truth. ``status`` 0: nothing, the connection is closed."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    # Whether the report is taken in before, as when only the answer is lost.
    after_commit: bool = False


LOST = Reply(0, after_commit=True)
UNHEARD = Reply(0)
SIGN_IN_PAGE = Reply(200, "<html>Please sign in</html>")


def problem(status: int, code: str, **more: Any) -> Reply:
    return Reply(status, {"status": status, "code": code, "detail": code, **more})


@dataclass
class Attempt:
    raw: bytes
    report: dict[str, Any]
    headers: dict[str, str]


class _OverIPv6(ThreadingHTTPServer):
    address_family = socket.AF_INET6


class FakeServer:
    """Answers as ours does, and files; remembers everything it was sent."""

    def __init__(
        self,
        tls: ssl.SSLContext | None = None,
        interval_s: int = 1,
        *,
        address: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.interval_s = interval_s
        self.files: dict[str, bytes] = {}
        self.enrolments: list[dict[str, Any]] = []
        self.attempts: list[Attempt] = []
        self.accepted: list[dict[str, Any]] = []
        self.epochs: dict[str, tuple[int, str]] = {}
        self.links: dict[tuple[str, str], tuple[str, str, int]] = {}
        self.broken: list[str] = []
        # Commands whose result is not in, as the server gives them with every answer.
        self.open: dict[str, dict[str, Any]] = {}
        self.forgets_results = False
        self.longest_wait_s = 0.2
        self.revision = 0
        self.config: dict[str, Any] = {}
        self.set_config({"config": {}, "services": {}, "streams": {}})
        self.config_reply: Callable[[str | None], Reply | None] = lambda _tag: None
        self.wait_reply: Callable[[str], Reply | None] = lambda _query: None
        self.results: list[dict[str, Any]] = []
        self.reply: Callable[[Attempt], Reply | None] = lambda _attempt: None
        self.enrol_reply: Callable[[dict[str, Any]], Reply | None] = lambda _body: None
        self.paths: list[str] = []
        self._guard = threading.Lock()
        kind = _OverIPv6 if ":" in address else ThreadingHTTPServer
        self._http = kind((address, port), self._handler())
        self._http.daemon_threads = True
        if tls is not None:
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True)
        scheme = "http" if tls is None else "https"
        self.port = self._http.server_port
        self.url = f"{scheme}://{f'[{address}]' if ':' in address else address}:{self.port}"
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def ask(self, command_id: str, kind: str, **more: Any) -> None:
        """Queue a command; it ends with the first result that comes."""
        command = {
            "id": command_id,
            "kind": kind,
            "arguments": {},
            "expires_at": "2026-11-21T11:00:00.000Z",
        }
        self.open[command_id] = {**command, **more}

    def set_config(self, document: Any, *, revision: int | None = None, **more: Any) -> str:
        """Make a revision; return its digest."""
        self.revision = self.revision + 1 if revision is None else revision
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        digest = f"sha256:{sha256(text)}"
        self.config = {"revision": self.revision, "digest": digest, "document": document, **more}
        return digest

    def remember(self, other: "FakeServer") -> None:
        """Go on with what another has, as one that was started again."""
        self.epochs, self.links = dict(other.epochs), dict(other.links)
        self.accepted, self.results = list(other.accepted), list(other.results)
        self.revision, self.config = other.revision, other.config

    def rows(self, part: str) -> list[dict[str, Any]]:
        return [row for report in self.accepted for row in report.get(part, ())]

    # --- answers

    def enrol(self, body: dict[str, Any]) -> Reply:
        self.enrolments.append(body)
        told = {
            "device_id": "device-1",
            "workspace": "acme",
            "server": "https://elsewhere.example",
            "report_interval_s": self.interval_s,
            "config_revision": 1,
        }
        return self.enrol_reply(body) or Reply(200, told)

    def report(self, raw: bytes, headers: dict[str, str]) -> Reply:
        if headers.get("Content-Encoding") == "gzip":
            raw = gzip.decompress(raw)
        with self._guard:
            attempt = Attempt(raw, json.loads(raw), headers)
            self.attempts.append(attempt)
            told = self.reply(attempt)
            if told is not None and not told.after_commit:
                return told
            truth = self._take(attempt)
            return told or truth

    def _take(self, attempt: Attempt) -> Reply:
        report, digest = attempt.report, sha256(attempt.raw)
        epoch, sequence = report["epoch"], report["sequence"]
        have, chain = self.epochs.get(epoch, (0, sha256(epoch)))
        known = self.links.get((report["id"], epoch))
        if known is not None and known[0] == digest:
            return self._received(known[2], known[1])
        if sequence != have + 1 or report["previous"] != chain:
            self.broken.append(f"{sequence} after {have}")
            return problem(409, "chain_forked", sequence=have, chain=chain)
        chain = sha256(f"{chain}:{digest}")
        self.epochs[epoch] = (sequence, chain)
        if not any(seen == report["id"] for seen, _ in self.links):
            self.accepted.append(report)
            for result in report.get("commands", ()):
                self.results.append(result)
                if not self.forgets_results:
                    self.open.pop(result["id"], None)
        self.links[report["id"], epoch] = (digest, chain, sequence)
        return self._received(sequence, chain)

    def _received(self, sequence: int, chain: str) -> Reply:
        told = {
            "received": sequence,
            "chain": chain,
            "server_time": "2026-11-21T10:00:00.000Z",
            "report_interval_s": self.interval_s,
            "config_revision": self.revision,
            "commands": list(self.open.values()),
        }
        return Reply(200, told)

    def get(self, target: str, tag: str | None) -> Reply:
        path, _, query = target.partition("?")
        if path == "/v1/commands":
            return self.wait(query)
        if path == "/v1/config":
            return self.own_config(tag)
        content = self.files.get(path)
        return Reply(404, "nothing") if content is None else Reply(200, content)

    def own_config(self, tag: str | None) -> Reply:
        told = self.config_reply(tag)
        if told is not None:
            return told
        etag = f'"{self.config["digest"]}"'
        return Reply(304 if tag == etag else 200, b"" if tag == etag else self.config)

    def wait(self, query: str) -> Reply:
        told = self.wait_reply(query)
        if told is not None:
            return told
        asked = urllib.parse.parse_qs(query)
        assert float(asked["wait"][0]) > 0
        known = int(asked["config_revision"][0])
        deadline = time.monotonic() + self.longest_wait_s
        while not self.open and known == self.revision and time.monotonic() < deadline:
            time.sleep(0.01)
        commands = list(self.open.values())
        return Reply(200, {"config_revision": self.revision, "commands": commands})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_arguments: Any) -> None:
                """Say nothing."""

            def do_GET(self) -> None:
                server.paths.append(self.path)
                self._answer(server.get(self.path, self.headers.get("If-None-Match")))

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                server.paths.append(self.path)
                if self.path.endswith("/v1/enroll"):
                    self._answer(server.enrol(json.loads(raw)))
                else:
                    self._answer(server.report(raw, dict(self.headers)))

            def _answer(self, reply: Reply) -> None:
                if reply.status == 0:
                    self.close_connection = True
                    return
                body = reply.body
                if not isinstance(body, bytes):
                    body = (body if isinstance(body, str) else json.dumps(body)).encode()
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if reply.status != 304:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return Handler
