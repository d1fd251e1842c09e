"""Every refusal has this API's shape, whatever the address, the method or the fault."""

import asyncio
import json

import httpx
import pytest

from dialects.flatpeak_kit import ERRORS, TIME, matches, refused
from dialects.native_kit import call_raw, on_sqlite
from moorage.core import devices
from moorage.core.errors import DomainError, Fault, Kind
from moorage.dialects.flatpeak import SEGMENTS
from moorage.dialects.flatpeak.errors import TABLE, Refusals
from moorage.storage import StorageBusy, StorageFull, StorageUnavailable
from support.clock import FixedClock

EXPECTED = {
    Kind.INVALID: (422, "parameter_invalid"),
    Kind.UNAUTHENTICATED: (403, "access_denied"),
    Kind.FORBIDDEN: (403, "access_denied"),
    Kind.MISSING_SCOPE: (403, "access_denied"),
    Kind.NOT_FOUND: (404, "not_found"),
    Kind.GONE: (404, "not_found"),
    Kind.CONFLICT: (409, "conflict"),
    Kind.PRECONDITION: (409, "conflict"),
    Kind.TOO_LARGE: (413, "parameter_invalid"),
    Kind.LIMITED: (429, "too_many_requests"),
    Kind.UNAVAILABLE: (503, "internal_error"),
    Kind.STORAGE_FULL: (507, "internal_error"),
}
# What that vendor has besides, and what lies beside the routes.
UNKNOWN = [
    "/customers",
    "/customers/cus_1",
    "/locations",
    "/tariffs/tar_1/rates",
    "/meters",
    "/costs/instant",
    "/rates",
    "/schedules",
    "/slots",
    "/connect/tariff",
    "/events",
    "/devices/",
    "/devices/x/y",
    "/devices//",
    "/login/",
    "/login/x",
]


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_of_refusal_has_its_status_and_the_whole_shape(kind):
    error = DomainError(
        kind,
        "some_code",
        "a sentence",
        faults=[Fault("/a/0", "what of it")],
        extra={"limit": 7},
        retry_after_s=12,
    )
    response = Refusals(FixedClock()).refuse(error)
    status, code = EXPECTED[kind]
    body = json.loads(response.body)
    assert (response.status_code, body["code"]) == (status, code)
    assert body["type"] == ERRORS[status][0]
    assert code in ERRORS[status][1]
    assert set(body) == {"object", "context", "type", "code", "message", "time_created"}
    assert body["message"]
    assert TIME.fullmatch(body["time_created"])
    assert response.headers["retry-after"] == "12"
    assert response.headers["content-type"] == "application/json"


def test_the_table_knows_every_kind():
    assert set(TABLE) == set(Kind)


@pytest.mark.parametrize("kind", [Kind.UNAVAILABLE, Kind.LIMITED])
def test_who_is_told_to_come_back_is_always_told_when(kind):
    response = Refusals(FixedClock()).refuse(DomainError(kind, "code", "why"))
    assert int(response.headers["retry-after"]) > 0


@on_sqlite
async def test_what_is_not_served_is_not_found_with_and_without_credentials(fp):
    token = await fp.token(fp.test_key)
    for path in UNKNOWN:
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            for key, live in ((None, None), ("garbage", None), (fp.key, True), (token, False)):
                answer = await fp.ask(method, path, key=key)
                refused(answer, 404, "not_found", context="api.unknown", live=live)


@on_sqlite
async def test_every_address_of_that_vendor_has_its_shape(fp):
    named = {path.split("/")[1] for path in UNKNOWN}
    assert named == SEGMENTS


@on_sqlite
async def test_a_wrong_method_is_refused_with_all_that_are_allowed(fp):
    made = await fp.make()
    allowed = {
        "/devices": {"GET", "POST"},
        f"/devices/{made['id']}": {"GET", "PATCH", "DELETE"},
        "/login": {"GET"},
    }
    every = {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"}
    for path, methods in allowed.items():
        for method in sorted(every - methods):
            for key in (fp.key, None):
                answer = await fp.ask(method, path, key=key)
                live = None if key is None or path == "/login" else True
                refused(answer, 405, "method_not_allowed", context="api.unknown", live=live)
                told = {one.strip() for one in answer.headers["allow"].split(",")}
                assert told == methods


@on_sqlite
async def test_the_installer_below_devices_stays_where_it_is(fp):
    for path in ("/devices/v2/x/install.sh", "/devices/v2/x/y", "/devices/v2/"):
        answer = await fp.ask("GET", path)
        assert answer.status_code == 404
        assert not answer.headers["content-type"].startswith("application/json")
    refused(await fp.ask("GET", "/devices/v2"), 404, context="api.device_get")


@on_sqlite
async def test_a_refusal_does_not_repeat_what_was_sent(fp):
    for path in ("/devices/secret", "/login/secret", "/customers/secret", "/devices?limit=secret"):
        answer = await fp.ask("GET", path, headers={"Flatpeak-Version": "secret"})
        assert "secret" not in answer.text


@on_sqlite
@pytest.mark.parametrize(
    ("error", "status"),
    [(StorageBusy("x"), 503), (StorageUnavailable("x"), 503), (StorageFull("x"), 507)],
    ids=lambda value: type(value).__name__,
)
async def test_storage_that_fails_is_said_so_in_shape(fp, monkeypatch, error, status):
    made = await fp.make()

    async def fail(*_args, **_more):
        raise error

    monkeypatch.setattr(devices, "get", fail)
    answer = await fp.ask("GET", f"/devices/{made['id']}")
    refused(answer, status, "internal_error", context="api.device_get")
    assert int(answer.headers["retry-after"]) > 0


@on_sqlite
async def test_a_fault_of_ours_is_said_so_in_shape_and_nothing_else(fp, monkeypatch):
    made = await fp.make()

    async def fail(*_args, **_more):
        raise RuntimeError("a secret detail")

    monkeypatch.setattr(devices, "get", fail)
    answer: httpx.Response = await fp.ask("GET", f"/devices/{made['id']}")
    matches(answer, "error-broken", 500)
    assert "secret" not in answer.text


@on_sqlite
async def test_a_body_that_breaks_off_is_refused_in_shape(fp):
    headers = {"Authorization": f"Bearer {fp.key}", "Content-Length": "100"}
    answer = await call_raw(fp.app, "POST", "/devices", headers=headers, chunks=[])
    assert answer.status == 503
    assert json.loads(answer.body)["context"] == "api.device_create"
    assert json.loads(answer.body)["live_mode"] is True


@on_sqlite
async def test_two_requests_at_once_are_each_told_their_own(fp):
    asks = [("GET", "/devices?limit=0", fp.key), ("POST", "/devices", fp.test_key)] * 10
    bad = {"Flatpeak-Version": "none"}
    answers = await asyncio.gather(
        *(fp.ask(method, path, key=key, headers=bad) for method, path, key in asks)
    )
    for (method, _, _), answer in zip(asks, answers, strict=True):
        context = "api.device_list" if method == "GET" else "api.device_create"
        refused(answer, 422, context=context, live=method == "GET")
