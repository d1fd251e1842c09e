"""What stands between a device and its server: passes requests on, and answers some by itself."""

import http.client
import threading
import urllib.parse
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Status, body and type of an answer that is given in the server's place.
Given = tuple[int, bytes, str]
_OWN = ("connection", "transfer-encoding", "content-length", "date", "server")


class Front:
    """Listens on an address of its own before a server."""

    def __init__(self, server: str) -> None:
        parts = urllib.parse.urlsplit(server)
        self._there = (parts.hostname or "", parts.port or 80)
        self.given: dict[str, Callable[[], Given]] = {}
        self.paths: list[str] = []
        # While set, nothing is passed on, as when the way to the server is cut.
        self.cut = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(10)

    def pass_on(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple:
        connection = http.client.HTTPConnection(*self._there, timeout=60)
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.getheaders()
        finally:
            connection.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                path = self.path.partition("?")[0]
                front.paths.append(path)
                if front.cut.is_set():
                    self.close_connection = True
                    return
                given = front.given.get(path)
                if given is not None:
                    status, content, kind = given()
                    told = [("Content-Type", kind)]
                else:
                    try:
                        passed = front.pass_on(self.command, self.path, body, dict(self.headers))
                    except OSError:
                        self.close_connection = True
                        return
                    status, content, told = passed
                self.send_response(status)
                for name, value in told:
                    if name.lower() not in _OWN:
                        self.send_header(name, value)
                if status not in (204, 304):
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                try:
                    self.wfile.write(content)
                except ConnectionError:
                    self.close_connection = True

            do_GET = do_POST = do_PUT = _answer  # noqa: N815 - named by the base class

        return Handler
