"""Every refusal is a problem document, whatever the address, the method or the fault."""

import json

import pytest

from dialects.native_kit import on_sqlite, pointers_of, problem_of
from moorage.core.errors import DomainError, Fault, Kind
from moorage.dialects.native.errors import problem
from moorage.ingest import Ingest

DEVICE = "/v1/devices/dev_000000000000000000000000"
UNKNOWN = ["/v1", "/v1/", "/v1/nothing", "/v1/devices/", "/v1/devices/x/y", "/v1/reports/1"]
ALLOWED = {
    "/v1/reports": {"POST"},
    "/v1/enroll": {"POST"},
    "/v1/config": {"GET"},
    "/v1/devices": {"GET", "POST"},
    f"{DEVICE}/config": {"GET", "PATCH"},
    f"{DEVICE}/install": {"POST"},
    f"{DEVICE}/logs": {"GET"},
    f"{DEVICE}/events": {"GET"},
    f"{DEVICE}/telemetry": {"GET"},
    "/v1/api-keys": {"GET", "POST"},
    "/v1/api-keys/key_000000000000000000000000": {"GET", "PATCH", "DELETE"},
    f"{DEVICE}/commands": {"GET", "POST"},
    f"{DEVICE}/streams": {"GET"},
    f"{DEVICE}/services": {"GET"},
    f"{DEVICE}/config/revisions": {"GET"},
    "/v1/default-config": {"GET", "PUT"},
    "/v1/commands": {"GET"},
    "/v1/openapi.json": {"GET"},
    "/v1/docs": {"GET"},
    "/v1/docs/start.js": {"GET"},
    "/v1/docs/assets/swagger-ui.css": {"GET", "HEAD"},
}


@on_sqlite
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_an_unknown_path_is_not_found_whatever_the_method(running, method):
    for path in UNKNOWN:
        answer = await running.client.request(method, path, headers=running.auth())
        problem_of(answer, 404, "not_found")


@on_sqlite
async def test_a_wrong_method_is_refused_with_all_that_are_allowed(running):
    for path, allowed in ALLOWED.items():
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - allowed:
            answer = await running.client.request(method, path, headers=running.auth())
            problem_of(answer, 405, "method_not_allowed")
            told = {one.strip() for one in answer.headers["allow"].split(",")}
            assert told == allowed, (method, path)


@on_sqlite
async def test_a_refusal_does_not_repeat_the_path(running):
    answer = await running.client.get("/v1/inst_secretsecretsecret", headers=running.auth())
    assert "secret" not in answer.text


@on_sqlite
async def test_a_malformed_body_is_refused_with_pointers_to_its_parts(running):
    body = {"name": 7, "tags": ["fine", 3], "reference": {"a/b": 1}}
    answer = await running.client.post("/v1/devices", json=body, headers=running.auth())
    assert set(pointers_of(problem_of(answer, 422))) == {"/name", "/tags/1", "/reference"}


@on_sqlite
async def test_a_missing_body_is_refused(running):
    problem_of(await running.client.post("/v1/devices", headers=running.auth()), 422)


@on_sqlite
@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe{\x00}\x00",
        b'{"name": "\xff"}',
        b'{"name": NaN}',
        b'{"name": "a", "x": 1e999}',
        b'{"name": "a", "x": ' + b"[" * 100_000,
        b'{"name": "a", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"name": "a", "x": ' + b"9" * 5000 + b"}",
        b"\xef\xbb\xbf{}",
        b'{"name": "a\tb"}',
        b"null",
        b"[]",
        b'"text"',
        b"0",
        b"",
    ],
    ids=lambda body: repr(body[:24]),
)
async def test_what_is_not_a_json_object_is_refused(running, body):
    headers = {**running.auth(), "Content-Type": "application/json"}
    problem_of(await running.client.post("/v1/devices", content=body, headers=headers), 422)


@on_sqlite
@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_a_body_that_does_not_say_it_is_json_is_refused(running, content_type):
    headers = {**running.auth(), "Content-Type": content_type}
    answer = await running.client.post(
        "/v1/devices", content=b'{"name": "camera"}', headers=headers
    )
    problem_of(answer, 422)


@on_sqlite
async def test_text_no_database_can_hold_is_refused_naming_the_place(running):
    headers = {**running.auth(), "Content-Type": "application/json"}
    nul = b'{"name": "a", "tags": ["fine", "a\\u0000b"]}'
    answer = await running.client.post("/v1/devices", content=nul, headers=headers)
    assert pointers_of(problem_of(answer, 422)) == ["/tags/1"]
    half_a_character = b'{"name": "a\\ud800"}'
    answer = await running.client.post("/v1/devices", content=half_a_character, headers=headers)
    problem_of(answer, 422)


@on_sqlite
async def test_a_body_over_the_limit_is_too_large_and_the_limit_is_named(running):
    content = b'{"name": "' + b"a" * (256 * 1024) + b'"}'
    headers = {**running.auth(), "Content-Type": "application/json"}
    answer = await running.client.post("/v1/devices", content=content, headers=headers)
    assert problem_of(answer, 413, "body_too_large")["limit_bytes"] == 256 * 1024


@on_sqlite
async def test_unknown_fields_and_query_parameters_are_ignored(running):
    answer = await running.client.post(
        "/v1/devices?nobody=knows", json={"name": "a", "colour": "red"}, headers=running.auth()
    )
    assert answer.status_code == 201


EXPECTED = {
    Kind.INVALID: 422,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.MISSING_SCOPE: 403,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.GONE: 410,
    Kind.LIMITED: 429,
    Kind.UNAVAILABLE: 503,
    Kind.TOO_LARGE: 413,
    Kind.PRECONDITION: 412,
    Kind.STORAGE_FULL: 507,
}


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_of_refusal_has_its_status_and_the_whole_shape(kind):
    error = DomainError(
        kind,
        "some_code",
        "a sentence",
        faults=[Fault("/a/0", "what of it")],
        extra={"sequence": 7, "chain": "ab"},
        retry_after_s=12,
    )
    response = problem(error)
    assert response.status_code == EXPECTED[kind]
    document = _json_of(response)
    assert document["status"] == EXPECTED[kind]
    assert (document["code"], document["detail"]) == ("some_code", "a sentence")
    assert document["title"]
    assert document["title"] != "Error", "each status has a title of its own"
    assert document["errors"] == [{"pointer": "/a/0", "detail": "what of it"}]
    assert (document["sequence"], document["chain"]) == (7, "ab")
    assert response.media_type == "application/problem+json"
    assert response.headers["retry-after"] == "12"


@pytest.mark.parametrize("kind", [Kind.UNAVAILABLE, Kind.LIMITED])
def test_who_is_told_to_come_back_is_always_told_when(kind):
    assert int(problem(DomainError(kind, "code", "why")).headers["retry-after"]) > 0


def _json_of(response):
    return json.loads(response.body)


@on_sqlite
async def test_a_fault_of_ours_in_taking_a_report_is_a_problem_document(api, monkeypatch):
    device = await api.enroll()

    async def fail(_ingest, _incoming):
        raise RuntimeError("a secret detail")

    monkeypatch.setattr(Ingest, "submit", fail)
    answer = await api.report(device)
    problem_of(answer, 500, "internal_error")
    assert "secret" not in answer.text
