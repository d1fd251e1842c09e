"""What tests of the native API share: making devices, reporting, and what a problem looks like."""

import gzip
import json
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

# For claims about parsing and shapes, in which the engine plays no part.
on_sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z")
# The least that is one: where a picture begins, and where it ends.
JPEG = b"\xff\xd8\xff\xe0" + bytes(64) + b"\xff\xd9"
SENT_AT = "2026-11-21T10:00:00.000Z"


def problem_of(response: httpx.Response, status: int, code: str | None = None) -> dict[str, Any]:
    """The problem document of a refusal, after checking everything RFC 9457 and we promise."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["status"] == status
    for member in ("type", "title", "detail", "code"):
        assert isinstance(document[member], str), member
        assert document[member], member
    assert document["type"] == f"urn:moorage:problem:{document['code']}"
    if status == 401:
        assert response.headers["www-authenticate"].startswith("Bearer")
    if status == 405:
        assert response.headers["allow"]
    if status in (429, 503):
        assert int(response.headers["retry-after"]) > 0
    for fault in document.get("errors", []):
        assert set(fault) == {"pointer", "detail"}
        assert fault["pointer"] == "" or fault["pointer"].startswith("/")
    if code is not None:
        assert document["code"] == code
    return document


def pointers_of(document: dict[str, Any]) -> list[str]:
    return [fault["pointer"] for fault in document["errors"]]


def mistyped(key: str) -> str:
    """The same key with one digit wrong: its checksum tells."""
    last = "0" if key[-1] != "0" else "1"
    return key[:-1] + last


@dataclass
class Enrolled:
    device_id: str
    key: str
    install_token: str

    @property
    def auth(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


class Api:
    """The native API of a running server, by what a test wants to say."""

    def __init__(self, running: Any) -> None:
        self.running = running
        self.client: httpx.AsyncClient = running.client

    def auth(self, key: str | None = None) -> dict[str, str]:
        return self.running.auth(key)

    async def make(self, name: str = "camera", *, key: str | None = None, **fields: Any) -> Any:
        made = await self.client.post(
            "/v1/devices", json={"name": name, **fields}, headers=self.auth(key)
        )
        assert made.status_code == 201, made.text
        return made.json()

    async def enroll(self, made: dict[str, Any] | None = None, **fields: Any) -> Enrolled:
        made = made or await self.make()
        answer = await self.client.post(
            "/v1/enroll", json={"install_token": made["install_token"], **fields}
        )
        assert answer.status_code == 200, answer.text
        key = fields.get("device_key") or answer.json()["device_key"]
        return Enrolled(made["id"], key, made["install_token"])

    async def key(self, *scopes: str, key: str | None = None, **fields: Any) -> Any:
        """A further key with these scopes (none named: none)."""
        made = await self.client.post(
            "/v1/api-keys",
            json={"name": "narrow", "scopes": list(scopes), **fields},
            headers=self.auth(key),
        )
        assert made.status_code == 201, made.text
        return made.json()

    async def read(self, path: str, *, key: str | None = None, **params: Any) -> Any:
        answer = await self.client.get(path, params=params, headers=self.auth(key))
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def report(
        self, device: Enrolled | str, body: bytes | None = None, *, headers=None, **parts: Any
    ) -> httpx.Response:
        key = device if isinstance(device, str) else device.key
        content = json.dumps(report_of(**parts)).encode() if body is None else body
        return await self.client.post(
            "/v1/reports",
            content=content,
            headers={"Content-Type": "application/json", **self.auth(key), **(headers or {})},
        )


def report_of(**parts: Any) -> dict[str, Any]:
    return {"epoch": "epoch-1", "sequence": 1, "sent_at": SENT_AT, **parts}


def zipped(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)


def new_uuid() -> str:
    return str(uuid.uuid4())


@dataclass
class Raw:
    """An answer taken at the ASGI boundary, and how much of the body was asked for."""

    status: int
    headers: dict[str, str]
    body: bytes
    chunks_read: int


async def call_raw(
    app: Any,
    method: str,
    path: str,
    *,
    headers: dict[str, str] | None = None,
    chunks: Iterable[bytes] = (b"",),
    raw_headers: list[tuple[bytes, bytes]] | None = None,
    query: bytes = b"",
) -> Raw:
    """One request at the ASGI boundary, its body handed over chunk by chunk."""
    waiting = list(chunks)
    read = 0
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        nonlocal read
        if not waiting:
            return {"type": "http.disconnect"}
        read += 1
        body = waiting.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(waiting)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    plain = [(k.lower().encode(), v.encode("latin-1")) for k, v in (headers or {}).items()]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode("utf-8", "surrogatepass"),
        "query_string": query,
        "root_path": "",
        "headers": plain + (raw_headers or []),
        "client": ("127.0.0.1", 1),
        "server": ("moorage.test", 80),
    }
    await app(scope, receive, send)
    start, rest = sent[0], sent[1:]
    told = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in start["headers"]}
    return Raw(start["status"], told, b"".join(m.get("body", b"") for m in rest), read)
