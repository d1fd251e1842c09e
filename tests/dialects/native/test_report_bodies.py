"""The body of a report: its encoding, its size, and text no database can hold."""

import json
import tracemalloc
import zlib
from datetime import UTC, datetime

import pytest

from dialects.native_kit import (
    call_raw,
    on_sqlite,
    pointers_of,
    problem_of,
    report_of,
    zipped,
)

pytestmark = on_sqlite
MIB = 1024 * 1024
GZIP = {"Content-Encoding": "gzip"}


def padded(size: int) -> bytes:
    """A report of exactly so many bytes."""
    empty = json.dumps(report_of(padding="")).encode()
    return empty[:-2] + b"a" * (size - len(empty)) + b'"}'


async def test_a_plain_report_and_the_same_gzipped_are_one_report(api):
    device = await api.enroll()
    body = json.dumps(report_of()).encode()
    plain = await api.report(device, body)
    again = await api.report(device, zipped(body), headers=GZIP)
    assert plain.status_code == again.status_code == 200
    assert plain.json()["chain"] == again.json()["chain"]


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "identity"])
async def test_encodings_that_are_taken(api, encoding):
    body = json.dumps(report_of()).encode()
    sent = body if encoding == "identity" else zipped(body)
    answer = await api.report(await api.enroll(), sent, headers={"Content-Encoding": encoding})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "nonsense"])
async def test_another_encoding_is_refused(api, encoding):
    answer = await api.report(await api.enroll(), b"{}", headers={"Content-Encoding": encoding})
    problem_of(answer, 422, "encoding_not_supported")


async def test_a_gzip_bomb_is_refused_in_bounded_memory(api):
    device = await api.enroll()
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    # A block after a full flush depends on nothing before it, so it can be repeated: 1000 MiB.
    bomb = b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + block * 1000
    assert len(bomb) < MIB
    tracemalloc.start()
    answer = await api.report(device, bomb, headers=GZIP)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert problem_of(answer, 413, "body_too_large")["limit_bytes"] == MIB
    assert peak < 16 * MIB


@pytest.mark.parametrize(
    "damage",
    [
        lambda packed: packed[:-1],
        lambda packed: packed[: len(packed) // 2],
        lambda packed: packed[:5],
        lambda packed: packed[:0],
        lambda packed: packed + b"x",
        lambda packed: packed + packed,
        lambda packed: packed[:-8] + bytes(8),
        lambda packed: b"{}" + packed,
    ],
    ids=["cut", "half", "head", "nothing", "garbage", "twice", "checksum", "no gzip"],
)
async def test_what_is_not_one_whole_gzip_stream_is_refused_and_nothing_kept(api, damage):
    device = await api.enroll()
    packed = zipped(json.dumps(report_of(boot_id="kept")).encode())
    problem_of(await api.report(device, damage(packed), headers=GZIP), 422, "malformed_body")
    assert (await api.read(f"/v1/devices/{device.device_id}"))["boot_id"] is None


async def test_a_report_of_just_the_limit_is_taken_and_one_byte_more_is_not(api):
    device = await api.enroll()
    assert (await api.report(device, padded(MIB))).status_code == 200
    problem_of(await api.report(device, padded(MIB + 1)), 413, "body_too_large")


async def test_unpacked_size_is_what_counts(api):
    device = await api.enroll()
    assert (await api.report(device, zipped(padded(MIB)), headers=GZIP)).status_code == 200
    answer = await api.report(device, zipped(padded(MIB + 1)), headers=GZIP)
    problem_of(answer, 413, "body_too_large")


@pytest.mark.parametrize(("path", "limit"), [("/v1/reports", MIB), ("/v1/devices", 256 * 1024)])
async def test_a_body_declared_too_large_is_refused_before_it_is_read(api, path, limit):
    device = await api.enroll()
    key = device.key if path == "/v1/reports" else None
    headers = {
        **api.auth(key),
        "Content-Length": str(limit + 1),
        "Content-Type": "application/json",
    }
    answer = await call_raw(api.running.app, "POST", path, headers=headers)
    assert answer.status == 413
    assert answer.chunks_read == 0
    assert answer.headers["connection"] == "close"
    assert json.loads(answer.body)["limit_bytes"] == limit


@pytest.mark.parametrize(("path", "limit"), [("/v1/reports", MIB), ("/v1/devices", 256 * 1024)])
async def test_a_body_of_unknown_length_is_read_up_to_the_limit_only(api, path, limit):
    device = await api.enroll()
    key = device.key if path == "/v1/reports" else None
    headers = {**api.auth(key), "Content-Type": "application/json"}
    chunk = b"a" * 65_536
    answer = await call_raw(api.running.app, "POST", path, headers=headers, chunks=[chunk] * 1000)
    assert answer.status == 413
    assert answer.chunks_read == limit // len(chunk) + 1


async def test_a_body_cut_off_is_to_be_sent_again(api):
    device = await api.enroll()
    headers = {**device.auth, "Content-Length": "100"}
    answer = await call_raw(api.running.app, "POST", "/v1/reports", headers=headers, chunks=[])
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) > 0


WRITTEN = [
    (rb"a\u0000b", "a\ufffdb"),
    (rb"\ud800", "\ufffd"),
    (rb"\udc00\ud800", "\ufffd\ufffd"),
    (rb"\uD83D x", "\ufffd x"),
    (b"a\xffb", "a\ufffdb"),
    (b"\xc3", "\ufffd"),
    (rb"\ud83d\ude00", "\U0001f600"),
    (rb"\uD83D\uDE00", "\U0001f600"),
    ("\U0001f600".encode(), "\U0001f600"),
    (rb"\ud83d\ude00\u0000", "\U0001f600\ufffd"),
    (rb"\\u0000", r"\u0000"),
    (rb"\\\u0000", "\\\ufffd"),
    (rb"\\ud800", r"\ud800"),
]


async def test_text_no_database_can_hold_is_replaced_and_all_else_kept(api):
    device = await api.enroll()
    for at, (written, kept) in enumerate(WRITTEN):
        body = json.dumps(report_of(sequence=at + 1, logs=[line("@")])).encode()
        answer = await api.report(device, body.replace(b"@", written))
        assert answer.status_code == 200, answer.text
        lines = await api.read(f"/v1/devices/{device.device_id}/logs", limit=1)
        assert [one["message"] for one in lines["data"]] == [kept]


def line(message: str, at: str | None = None) -> dict[str, str]:
    return {"at": at or now(), "service": "camera", "severity": "info", "message": message}


def now() -> str:
    return datetime.now(UTC).isoformat()


NUMBERS = ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 5000, "1" * 400, "--1"]


@pytest.mark.parametrize("text", [r"fine", r"nul \u0000"], ids=["clean", "to mend"])
async def test_a_number_that_is_none_is_refused_whatever_else_the_body_holds(api, text):
    device = await api.enroll()
    for number in NUMBERS:
        sample = f'{{"at": "2026-11-21T10:00:00Z", "cpu_percent": {number}}}'
        body = json.dumps(report_of(boot_id="@"))[:-1].replace("@", text)
        answer = await api.report(device, f'{body}, "telemetry": [{sample}]}}'.encode())
        problem_of(answer, 422)
    assert (await api.read(f"/v1/devices/{device.device_id}"))["boot_id"] is None


NONE_AT_ALL = [
    b"",
    b"null",
    b"[]",
    b"7",
    b'"text"',
    b"{",
    b"{}{}",
    b"\x00",
    b"\xef\xbb\xbf{}",
    b"[" * 500_000,
    b'{"a":' * 100_000,
    b'{"epoch": "e", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"epoch": "\\u0000", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    '{"epoch": "e"}'.encode("utf-16"),
]


async def test_what_is_not_a_report_at_all_is_refused(api):
    device = await api.enroll()
    for body in NONE_AT_ALL:
        problem_of(await api.report(device, body), 422)


async def test_of_a_key_that_stands_twice_the_last_counts(api):
    device = await api.enroll()
    body = json.dumps(report_of())[:-1] + ', "boot_id": "first", "boot_id": "last"}'
    assert (await api.report(device, body.encode())).status_code == 200
    assert (await api.read(f"/v1/devices/{device.device_id}"))["boot_id"] == "last"


async def test_a_million_keys_are_refused_for_their_size(api):
    body = ("{" + ",".join(f'"{n}":1' for n in range(1_000_000)) + "}").encode()
    answer = await api.report(await api.enroll(), zipped(body), headers=GZIP)
    problem_of(answer, 413)


async def test_metadata_is_kept_only_as_deep_as_it_can_be_read_again(api):
    device = await api.enroll()
    deep = {"a": 1}
    for _ in range(40):
        deep = {"a": deep}
    event = {"id": "e", "at": now(), "event": "x", "metadata": deep}
    (pointer,) = pointers_of(problem_of(await api.report(device, events=[event]), 422))
    assert pointer.startswith("/events/0/metadata/a/a")


@pytest.mark.parametrize(
    ("name", "text"),
    [("id", "0b6f0000-0000-4000-8000-000000000001"), ("previous", "0" * 64)],
    ids=["id", "previous"],
)
async def test_a_line_end_is_no_part_of_an_id_or_a_chain(api, name, text):
    device = await api.enroll()
    document = problem_of(await api.report(device, **{name: text + "\n"}), 422, "invalid")
    assert pointers_of(document) == [f"/{name}"]
