"""Something on the way to a real server that loses answers and refuses, as told."""

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import httpx

PASS = "pass"
LOSE = "lose the answer"
CUT = "cut before the server has it"


@dataclass(frozen=True)
class Refuse:
    """An answer made on the way."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class Wire:
    """A proxy on loopback; `plan` says what becomes of each request, then all pass."""

    target: str
    plan: deque[Any] = field(default_factory=deque)
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    at: list[float] = field(default_factory=list)
    # Answers by path, whatever the plan says.
    instead: dict[str, Refuse] = field(default_factory=dict)

    def __enter__(self) -> Self:
        wire = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                wire.at.append(time.monotonic())
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                wire.seen.append((self.command, self.path, headers))
                step = wire.instead.get(self.path) or (wire.plan.popleft() if wire.plan else PASS)
                self.close_connection = True
                if step == CUT:
                    return
                answer = step
                if not isinstance(step, Refuse):
                    headers.pop("host")
                    got = httpx.request(
                        self.command, wire.target + self.path, headers=headers, content=body
                    )
                    kept = ("content-type", "etag", "retry-after")
                    answer = Refuse(
                        got.status_code,
                        {name: got.headers[name] for name in kept if name in got.headers},
                        got.content,
                    )
                if step == LOSE:
                    return
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if answer.status != 204:
                    self.send_header("Content-Length", str(len(answer.body)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(answer.body)

            do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _any  # noqa: N815 - the library's names

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
