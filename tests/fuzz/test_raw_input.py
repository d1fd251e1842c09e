"""Bytes that no well-behaved client sends: refused, never a fault, and the server goes on."""

import json
import socket

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.devices import rfc3339
from support.server import ServerProcess

bounded = settings(
    max_examples=300,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    process = ServerProcess(tmp_path_factory.mktemp("server")).start()
    yield process
    assert httpx.get(f"{process.base_url}/readyz").status_code == 200
    assert process.stop() == 0
    log = process.log.read_text()
    assert "Traceback" not in log
    assert '"level": "error"' not in log


@pytest.fixture(scope="module")
def client(server):
    with httpx.Client(base_url=server.base_url) as found:
        yield found


@pytest.fixture(scope="module")
def keys(server):
    owner = server.bootstrap()["api_key"]
    auth = {"Authorization": f"Bearer {owner}"}
    made = httpx.post(f"{server.base_url}/v1/devices", json={"name": "a"}, headers=auth).json()
    body = {"install_token": made["install_token"]}
    told = httpx.post(f"{server.base_url}/v1/enroll", json=body).json()
    return owner, told["device_key"], made["id"]


def send(server: ServerProcess, request: bytes, *, whole: bool = False) -> int | None:
    """Send bytes as they are; return the status, or None when the server only hung up.

    Unless the request is whole, no more will come: a server may take that for a client that left.
    """
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        answer = b""
        try:
            connection.sendall(request)
            if not whole:
                connection.shutdown(socket.SHUT_WR)
            for _ in range(100):
                received = connection.recv(65_536)
                if not received:
                    break
                answer += received
        except ConnectionError:
            pass
    if not answer:
        return None
    assert answer.startswith(b"HTTP/1.1 "), answer[:40]
    return int(answer[9:12])


ESCAPES = [
    "%00",
    "%2f",
    "%2F",
    "%5c",
    "%25",
    "%0a",
    "%0d%0a",
    "%ff",
    "%c0%af",
    "%ed%a0%80",
    "%",
    "%zz",
]
WORDS = [
    *("v1", "devices", "v2", "config", "api-keys", "reports", "enroll", "install.sh", "docs"),
    *(
        "assets",
        "healthz",
        "metrics",
        "install",
        "..",
        ".",
        "",
        "~",
        "*",
        "{device_id}",
        "é",
        "a" * 300,
    ),
]
step = st.lists(st.sampled_from([*WORDS, *ESCAPES]), min_size=1, max_size=3).map("".join)
paths = st.lists(step, max_size=6).map(lambda steps: "/" + "/".join(steps))
queries = st.lists(
    st.tuples(
        st.sampled_from(
            ["limit", "cursor", "q", "tag", "status", "sort", "start_time", "x", "", "wait"]
        ),
        st.one_of(
            st.sampled_from([*ESCAPES, "", "0", "-1", "1e9", "9" * 30]),
            st.text("az09%+;", max_size=9),
        ),
    ),
    max_size=4,
).map(lambda parts: "&".join(f"{name}={value}" for name, value in parts))
methods = st.sampled_from(
    ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW"]
)


@bounded
@given(method=methods, path=paths, query=queries)
def test_any_address_is_answered_and_never_a_fault(server, keys, method, path, query):
    if "/v1/stream" in path or "wait" in query:
        return
    request = (
        f"{method} {path}?{query} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {keys[0]}\r\n"
        "Content-Length: 0\r\nConnection: close\r\n\r\n"
    )
    status = send(server, request.encode(), whole=True)
    assert status is not None
    assert status < 500


HEADERS = [
    *("Authorization", "Content-Type", "Content-Length", "Content-Encoding", "Transfer-Encoding"),
    *("If-Match", "If-None-Match", "Idempotency-Key", "Moorage-Device-Time", "Accept", "Cookie"),
    *("Host", "Expect", "Connection", "Upgrade", "Range", "X-Forwarded-For", "X-Request-Id"),
]
values = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [b"", b"Bearer", b"Bearer ", b"gzip", b"chunked", b"5", b"-1", b"\xff", b'W/"a"']
    ),
)


@bounded
@given(
    route=st.sampled_from(
        ["GET /v1/devices", "POST /v1/devices", "POST /v1/reports", "GET /v1/config"]
    ),
    headers=st.lists(st.tuples(st.sampled_from(HEADERS), values), max_size=5),
    body=st.sampled_from([b"", b'{"name": "a"}', b"\x00", b"0\r\n\r\n"]),
    as_owner=st.booleans(),
)
def test_any_header_is_taken_or_refused_and_never_a_fault(
    server, keys, route, headers, body, as_owner
):
    key = keys[0] if as_owner else keys[1]
    lines = [f"{route} HTTP/1.1".encode(), b"Host: a", b"Connection: close"]
    lines.append(f"Authorization: Bearer {key}".encode())
    lines += [name.encode() + b": " + value for name, value in headers]
    if not any(name in ("Content-Length", "Transfer-Encoding") for name, _ in headers):
        lines.append(f"Content-Length: {len(body)}".encode())
    status = send(server, b"\r\n".join(lines) + b"\r\n\r\n" + body)
    # A sender that closes before its body is whole may be told to try again.
    assert status is None or status < 500 or status == 503


@bounded
@given(
    path=st.sampled_from(["/v1/devices", "/v1/api-keys", "/v1/enroll", "/v1/reports"]),
    body=st.binary(max_size=200),
    encoding=st.sampled_from([None, "gzip"]),
)
def test_any_bytes_for_a_body_are_refused_and_never_a_fault(client, keys, path, body, encoding):
    headers = {"Content-Type": "application/json"}
    headers["Authorization"] = f"Bearer {keys[1] if path == '/v1/reports' else keys[0]}"
    if encoding:
        headers["Content-Encoding"] = encoding
    answer = client.post(path, content=body, headers=headers)
    assert answer.status_code in (401, 413, 422)
    assert answer.headers["content-type"] == "application/problem+json"


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.sampled_from(
        ["2026-11-21T10:00:00Z", "9999-12-31T23:59:59-23:59", "\x00", "\ud800", "info"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "at", "name", "service", "severity", "message", "event", "metadata", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
PARTS = [
    *(
        "id",
        "store",
        "previous",
        "continues",
        "backfill",
        "boot_id",
        "uptime_s",
        "facts",
        "telemetry",
    ),
    *("streams", "services", "logs", "events", "config", "commands", "dropped", "epoch", "unknown"),
]


@bounded
@given(
    parts=st.dictionaries(st.sampled_from(PARTS), anything, max_size=4), sequence=st.integers(1, 9)
)
def test_any_value_in_any_part_of_a_report_is_taken_or_refused(client, keys, parts, sequence):
    report = {"epoch": "e", "sequence": sequence, "sent_at": rfc3339(), **parts}
    answer = client.post(
        "/v1/reports",
        content=json.dumps(report).encode(),
        headers={"Authorization": f"Bearer {keys[1]}"},
    )
    assert answer.status_code in (200, 409, 413, 422), answer.text


@bounded
@given(
    patch=st.dictionaries(
        st.sampled_from(["config", "services", "streams", "x", "a/b~c"]), anything
    )
)
def test_any_patch_of_a_config_is_taken_or_refused_and_can_be_read(client, keys, patch):
    auth = {"Authorization": f"Bearer {keys[0]}", "Content-Type": "application/json"}
    path = f"/v1/devices/{keys[2]}/config"
    answer = client.patch(path, content=json.dumps(patch).encode(), headers=auth)
    assert answer.status_code in (200, 413, 422), answer.text
    assert client.get(path, headers=auth).status_code == 200
    own = {"Authorization": f"Bearer {keys[1]}"}
    assert client.get("/v1/config", headers=own).status_code == 200
