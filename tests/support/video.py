"""Cameras and videos to look at: real sockets on loopback, real pictures made by ffmpeg."""

import base64
import contextlib
import hashlib
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

# 16 x 16, grey, with a black square in the middle.
TINY_JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAgAAAQABAAD/2wBDAAgUFBcUFxsbGxsbGyAeICEhISAgICAhISEkJCQqKiokJCQhISQk"
    "KCgqKi4vLisrKisvLzIyMjw8OTlGRkhWVmf/xABUAAEBAAAAAAAAAAAAAAAAAAAABQEBAAAAAAAAAAAAAAAA"
    "AAAAABAAAgEFAQEAAAAAAAAAAAAAEhEEFFEAYQFBIhEBAAAAAAAAAAAAAAAAAAAAAP/AABEIABAAEAMBIgAC"
    "EQADEQD/2gAMAwEAAhEDEQA/AIcqVTB8ET9SS12+IsqpP4EV623rlsSotSH2IvxtrfLYixaY/siXiSe+3wP/"
    "2Q=="
)
REALM, NONCE = "camera", "d41d8cd98f00"
_CLIENT_WITHIN_S = 30


def needs_ffmpeg() -> str:
    """Return where ffmpeg is, or skip."""
    found = shutil.which("ffmpeg")
    if found is None:
        pytest.skip("no ffmpeg on this machine")
    return found


def make(*arguments: Any) -> None:
    done = subprocess.run(
        [needs_ffmpeg(), "-nostdin", "-v", "error", "-y", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def clip(path: Path, *, rate: int = 25, seconds: int = 4, blur: int = 0) -> Path:
    """Make a video of moving test pictures, a key frame each second; ``blur``: out of focus."""
    look = f"boxblur={blur}," if blur else ""
    source = f"testsrc2=size=320x240:rate={rate},{look}format=yuv420p"
    encode = ("-c:v", "libx264", "-preset", "ultrafast", "-g", rate, "-bf", 0)
    make("-f", "lavfi", "-i", source, "-t", seconds, *encode, path)
    return path


def jpeg(path: Path, *, size: str = "320x240", blur: int = 0) -> bytes:
    """Make one picture."""
    look = f",boxblur={blur}" if blur else ""
    make("-f", "lavfi", "-i", f"testsrc2=size={size}{look}", "-frames:v", 1, "-q:v", 2, path)
    return path.read_bytes()


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


class Login:
    """Who may look: asks for it and checks it, as cameras do."""

    def __init__(self, kind: str | None, user: str = "viewer", password: str = "") -> None:
        """``kind``: ``Basic``, ``Digest`` or None."""
        self.kind, self.user, self.password = kind, user, password

    def challenge(self) -> str:
        if self.kind == "Basic":
            return f'Basic realm="{REALM}"'
        return f'Digest realm="{REALM}", nonce="{NONCE}", qop="auth", algorithm=MD5'

    def allows(self, method: str, header: str | None) -> bool:
        if self.kind is None:
            return True
        scheme, _, rest = (header or "").partition(" ")
        if scheme.lower() != self.kind.lower():
            return False
        if self.kind == "Basic":
            return rest == base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        told = {
            name: quoted or bare
            for name, quoted, bare in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', rest)
        }
        one = _md5(f"{self.user}:{REALM}:{self.password}")
        two = _md5(f"{method}:{told.get('uri')}")
        middle = f"{NONCE}:{told.get('nc')}:{told.get('cnonce')}:auth" if "qop" in told else NONCE
        known = told.get("username") == self.user and told.get("nonce") == NONCE
        return known and told.get("response") == _md5(f"{one}:{middle}:{two}")


class _Listener:
    """Accepts connections and hands each to a thread; all end with it."""

    # Those that no test closed yet, because it failed before.
    left: ClassVar[list["_Listener"]] = []

    def __init__(self) -> None:
        self.left.append(self)
        self.accepted = 0
        self._ended = threading.Event()
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def serve(self, connection: socket.socket) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self.left.remove(self)
        self._ended.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self.hang_up()
        for thread in self._threads:
            thread.join(_CLIENT_WITHIN_S)

    def hang_up(self) -> None:
        """Break all connections."""
        with self._guard:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            connection.settimeout(_CLIENT_WITHIN_S)
            self.accepted += 1
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with self._guard:
            self._open.add(connection)
        try:
            self.serve(connection)
        except OSError:
            pass  # the client went away
        finally:
            with self._guard:
                self._open.discard(connection)
            connection.close()


def _head(connection: socket.socket) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield requests: method, target, headers by lower-case name."""
    buffer = b""
    while True:
        while b"\r\n\r\n" not in buffer:
            data = connection.recv(4096)
            if not data:
                return
            buffer += data
        head, _, buffer = buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = dict(line.split(":", 1) for line in lines if ":" in line)
        yield method, target, {name.lower(): text.strip() for name, text in headers.items()}


class MjpegCamera(_Listener):
    """Pictures over HTTP without an end, as many cameras send them.

    ``lengths``: whether each part says its size. ``answer``: what is sent in place of pictures.
    """

    def __init__(
        self,
        picture: bytes = TINY_JPEG,
        *,
        rate: float = 20,
        login: Login | None = None,
        lengths: bool = True,
        boundary: str = "frame",
        answer: bytes | None = None,
    ) -> None:
        self.picture, self.rate, self.lengths = picture, rate, lengths
        self.login = login or Login(None)
        self.boundary, self.answer = boundary, answer
        self.sending = True
        self.seen: list[tuple[str, dict[str, str]]] = []
        super().__init__()

    def url(self, path: str = "/video.mjpg", userinfo: str = "") -> str:
        return f"http://{userinfo}127.0.0.1:{self.port}{path}"

    def serve(self, connection: socket.socket) -> None:
        for method, target, headers in _head(connection):
            self.seen.append((target, headers))
            if self.answer is not None:
                connection.sendall(self.answer)
                if self.answer.startswith(b"HTTP/1.1 3"):
                    return
                self._ended.wait(0.2)
                return
            if not self.login.allows(method, headers.get("authorization")):
                told = (
                    f"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: {self.login.challenge()}\r\n"
                )
                connection.sendall(f"{told}Content-Length: 0\r\n\r\n".encode())
                continue
            self._pictures(connection)
            return

    def _pictures(self, connection: socket.socket) -> None:
        kind = f"multipart/x-mixed-replace; boundary={self.boundary}"
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n\r\n".encode())
        due = time.monotonic()
        while not self._ended.is_set():
            if self.sending:
                picture = self.picture
                length = f"Content-Length: {len(picture)}\r\n" if self.lengths else ""
                head = f"--{self.boundary}\r\nContent-Type: image/jpeg\r\n{length}\r\n"
                connection.sendall(head.encode() + picture + b"\r\n")
            due += 1 / self.rate
            self._ended.wait(max(due - time.monotonic(), 0.001))


class RtspCamera(_Listener):
    """Sends a clip over and over as RTP within the RTSP connection; ffmpeg packs it."""

    def __init__(self, video: Path, *, login: Login | None = None, path: str = "/live") -> None:
        self.login, self.path = login or Login(None), path
        self.sending = True
        self._players: dict[socket.socket, threading.Lock] = {}
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", 0))
        self._udp.settimeout(0.2)
        to = f"rtp://127.0.0.1:{self._udp.getsockname()[1]}?pkt_size=1200"
        self._packer = subprocess.Popen(
            [
                *(needs_ffmpeg(), "-nostdin", "-v", "error", "-re", "-stream_loop", "-1"),
                *("-i", video, "-an", "-c", "copy", "-f", "rtp", to),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        self._sdp = self._description()
        super().__init__()
        relay = threading.Thread(target=self._relay, daemon=True)
        self._threads.append(relay)
        relay.start()

    def url(self, path: str | None = None, userinfo: str = "") -> str:
        return f"rtsp://{userinfo}127.0.0.1:{self.port}{path or self.path}"

    def close(self) -> None:
        super().close()
        self._packer.kill()
        self._packer.communicate()
        self._udp.close()

    def _description(self) -> str:
        """Read what ffmpeg says of the stream; the port is of no meaning to those who ask us."""
        lines = []
        for line in self._packer.stdout or ():
            if line.startswith("SDP:"):
                continue
            lines.append(re.sub(r"^m=video \d+", "m=video 0", line.strip()))
            if line.startswith("a=fmtp"):
                break
        return "\r\n".join([*lines, "a=control:track1", ""])

    def serve(self, connection: socket.socket) -> None:
        for method, target, headers in _head(connection):
            status, body, more = "200 OK", "", ""
            if not self.login.allows(method, headers.get("authorization")) and method != "OPTIONS":
                status, more = "401 Unauthorized", f"WWW-Authenticate: {self.login.challenge()}\r\n"
            elif self.path not in target and method != "OPTIONS":
                status = "404 Not Found"
            elif method == "DESCRIBE":
                body, more = self._sdp, "Content-Type: application/sdp\r\n"
            elif method == "SETUP":
                more = "Session: 1\r\n"
                if "TCP" in headers.get("transport", ""):
                    more += "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
                else:
                    status = "461 Unsupported Transport"
            elif method in ("PLAY", "GET_PARAMETER", "TEARDOWN"):
                more = "Session: 1\r\n"
            length = f"Content-Length: {len(body)}\r\n"
            answer = (
                f"RTSP/1.0 {status}\r\nCSeq: {headers.get('cseq', 0)}\r\n{more}{length}\r\n{body}"
            )
            with self._players.get(connection, threading.Lock()):
                connection.sendall(answer.encode())
            if method == "PLAY" and status.startswith("200"):
                self._players[connection] = threading.Lock()
        self._players.pop(connection, None)

    def _relay(self) -> None:
        while not self._ended.is_set():
            try:
                packet = self._udp.recv(65536)
            except TimeoutError:
                continue
            if not self.sending:
                continue
            for connection, guard in list(self._players.items()):
                try:
                    with guard:
                        connection.sendall(b"$\0" + len(packet).to_bytes(2, "big") + packet)
                except OSError:
                    self._players.pop(connection, None)


def close_cameras() -> None:
    """Close what a test that failed left open."""
    while _Listener.left:
        _Listener.left[-1].close()


def unused_port() -> int:
    """Return a port that nothing listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
