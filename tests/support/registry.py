"""A registry of images as version 2 of the protocol has it, on loopback and without TLS.

It checks logins itself (Basic, or Bearer with its own service for tokens) and notes what came.
"""

import base64
import contextlib
import functools
import gzip
import hashlib
import http.server
import io
import json
import re
import secrets
import ssl
import tarfile
import threading
import urllib.parse
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from support.docker import busybox_tar

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_PATH = re.compile(r"/v2/(?P<name>.+)/(?P<kind>manifests|blobs)/(?P<version>[^/]+)")


class Request(NamedTuple):
    """What came: ``login`` is the whole Authorization, if there was one."""

    method: str
    path: str
    login: str | None


@dataclass
class Image:
    """What was pushed: digests of its manifest and of its layers, with their packed bytes."""

    digest: str
    layers: dict[str, int] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        return sum(self.layers.values())


def layer(files: dict[str, bytes | str]) -> bytes:
    """A layer's tar of files that belong to everybody."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


class Registry:
    """``users`` may read, by their passwords; None: everybody. ``way`` is basic or bearer."""

    def __init__(self, users: dict[str, str] | None = None, way: str = "basic") -> None:
        self.users, self.way = users, way
        self.requests: list[Request] = []
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[tuple[str, str], tuple[str, bytes]] = {}
        # What is answered in place of the truth, by path: status, headers, body.
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        # Where blobs are instead, as with registries that keep them elsewhere.
        self.blobs_at: str | None = None
        self.realm: str | None = None
        self._tokens: set[str] = set()
        self._servers: list[http.server.ThreadingHTTPServer] = []
        self._threads: list[threading.Thread] = []
        self.port = self.listen().server_port

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def listen(
        self, port: int = 0, tls: ssl.SSLContext | None = None
    ) -> http.server.ThreadingHTTPServer:
        """Listen, in the network of the calling thread."""
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        if tls is not None:
            # The handshake is the handler's: one that fails ends no more than its connection.
            server.socket = tls.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        self._servers.append(server)
        self._threads.append(thread)
        return server

    def close(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join()

    # --- what it has

    def push(
        self,
        name: str,
        tag: str,
        *more: bytes,
        platform: tuple[str, str] = ("linux", "amd64"),
    ) -> Image:
        """Put the busybox image there under a tag, with more layers upon it."""
        tars = [_busybox(), *more]
        config = {
            "os": platform[0],
            "architecture": platform[1],
            "config": {"Cmd": ["sh"]},
            "rootfs": {"type": "layers", "diff_ids": [_sha256(tar) for tar in tars]},
            "history": [{"created_by": "test"} for _ in tars],
        }
        packed = [_packed(tar) for tar in tars]
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": self._blob(_CONFIG, json.dumps(config).encode()),
            "layers": [self._blob(_LAYER, data) for data in packed],
        }
        digest = self._tagged(name, tag, _MANIFEST, manifest)
        return Image(digest, {_sha256(data): len(data) for data in packed})

    def push_list(self, name: str, tag: str, images: dict[tuple[str, str], Image]) -> str:
        """Put a list of images by platform under a tag; return its digest."""
        entries = [
            {
                "mediaType": _MANIFEST,
                "digest": image.digest,
                "size": len(self.manifests[name, image.digest][1]),
                "platform": {"os": platform[0], "architecture": platform[1]},
            }
            for platform, image in images.items()
        ]
        told = {"schemaVersion": 2, "mediaType": _LIST, "manifests": entries}
        return self._tagged(name, tag, _LIST, told)

    def _blob(self, kind: str, data: bytes) -> dict[str, Any]:
        self.blobs[_sha256(data)] = data
        return {"mediaType": kind, "digest": _sha256(data), "size": len(data)}

    def _tagged(self, name: str, tag: str, kind: str, manifest: dict[str, Any]) -> str:
        body = json.dumps(manifest).encode()
        digest = _sha256(body)
        self.manifests[name, tag] = self.manifests[name, digest] = (kind, body)
        return digest

    # --- what it answers

    def paths(self, part: str = "") -> list[str]:
        return [one.path for one in self.requests if part in one.path]

    def answer(self, path: str, login: str | None) -> tuple[int, dict[str, str], bytes]:
        bare, _, query = path.partition("?")
        if bare in self.answers:
            return self.answers[bare]
        if bare == "/token":
            return self._token(query, login)
        return self._content(bare) if self._is_known(login) else self._challenge()

    def _content(self, bare: str) -> tuple[int, dict[str, str], bytes]:
        found = _PATH.fullmatch(bare)
        if found is None:
            return (200 if bare.rstrip("/") == "/v2" else 404), {}, b"{}"
        name, version = found["name"], urllib.parse.unquote(found["version"])
        if found["kind"] == "manifests" and (name, version) in self.manifests:
            kind, body = self.manifests[name, version]
            return 200, {"Content-Type": kind, "Docker-Content-Digest": _sha256(body)}, body
        if found["kind"] == "blobs" and version in self.blobs:
            return self._blob_answer(bare, version)
        return 404, {}, b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}'

    def _blob_answer(self, path: str, digest: str) -> tuple[int, dict[str, str], bytes]:
        if self.blobs_at is not None:
            return 307, {"Location": f"{self.blobs_at}{path}?signature=of-the-blob"}, b""
        return 200, {"Content-Type": "application/octet-stream"}, self.blobs[digest]

    def _is_known(self, login: str | None) -> bool:
        if self.users is None:
            return True
        kind, _, text = (login or "").partition(" ")
        if self.way == "bearer":
            return kind == "Bearer" and text in self._tokens
        return kind == "Basic" and self._is_user(text)

    def _is_user(self, encoded: str) -> bool:
        name, _, password = base64.b64decode(encoded).decode().partition(":")
        return self.users is not None and self.users.get(name) == password

    def _challenge(self) -> tuple[int, dict[str, str], bytes]:
        told = 'Basic realm="registry"'
        if self.way == "bearer":
            realm = self.realm or f"http://{self.host}/token"
            told = f'Bearer realm="{realm}",service="registry of the test"'
        return 401, {"WWW-Authenticate": told}, b'{"errors": [{"code": "UNAUTHORIZED"}]}'

    def _token(self, query: str, login: str | None) -> tuple[int, dict[str, str], bytes]:
        if login is None or not self._is_user(login.partition(" ")[2]):
            return 401, {}, b'{"details": "incorrect username or password"}'
        asked = urllib.parse.parse_qs(query)
        assert all(scope.endswith(":pull") for scope in asked["scope"])
        token = secrets.token_urlsafe(32)
        self._tokens.add(token)
        return 200, {}, json.dumps({"token": token}).encode()


def _handler(registry: Registry) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_arguments: Any) -> None:
            """Say nothing."""

        def handle(self) -> None:
            # Who asked may not trust us, or may have gone.
            with contextlib.suppress(ssl.SSLError, ConnectionError):
                super().handle()

        def do_GET(self) -> None:
            login = self.headers.get("Authorization")
            registry.requests.append(Request(self.command, self.path, login))
            status, headers, body = registry.answer(self.path, login)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                with contextlib.suppress(ConnectionError):  # who asked may have gone
                    self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - as the base class has it

        def do_POST(self) -> None:
            """Refuse the way to tokens that engines try first with some registries."""
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()

    return Handler


@functools.cache
def _busybox() -> bytes:
    return busybox_tar({})


@functools.lru_cache(maxsize=8)
def _packed(tar: bytes) -> bytes:
    return gzip.compress(tar, 1, mtime=0)


def _sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()
