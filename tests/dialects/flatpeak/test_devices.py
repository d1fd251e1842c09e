"""Devices as identifiers: made, read, changed, ended, and whole in every other API."""

import json

import pytest

from dialects.flatpeak_kit import ABSENT, refused
from dialects.native_kit import on_sqlite

NONE = [b"", b"{}", b"null", b'{"reference_id": null}', b' {"unknown": 1} ']
WRONG = [
    b"{",
    b"[]",
    b'"DEV"',
    b"7",
    b"true",
    b"  ",
    b"reference_id=DEV",
    b'{"reference_id": ""}',
    b'{"reference_id": 7}',
    b'{"reference_id": true}',
    b'{"reference_id": ["a"]}',
    b'{"reference_id": {}}',
    b'{"reference_id": "a\\u0000b"}',
    b'{"reference_id": "a\\nb"}',
    b'{"reference_id": "a\\ud800"}',
    b'{"reference_id": "\xff"}',
    b'{"reference_id": "a"',
    b'{"reference_id": NaN}',
    b'{"x": ' + b"[" * 100_000,
    b"\xef\xbb\xbf{}",
]
# As wide as it may be, and what must come back as it went in.
REFERENCES = [
    "a",
    "x" * 256,
    "é" * 256,
    "DEV 1/2?&#%",
    "  spaced  ",
    "🙂",
    "null",
    "dev_1",
    "DEV_" + "0" * 24,
]


async def test_a_reference_comes_back_as_it_was_given(fp):
    for reference in REFERENCES:
        made = await fp.make(reference)
        assert made["reference_id"] == reference
        assert await fp.get(made["id"]) == made
        assert await fp.ids(reference_id=reference) == [made["id"]]


@on_sqlite
async def test_no_reference_is_given_in_many_ways(fp):
    for body in NONE:
        for content_type in ("application/json", "application/x-www-form-urlencoded", None):
            headers = {} if content_type is None else {"Content-Type": content_type}
            made = await fp.ask("POST", "/devices", content=body, headers=headers)
            assert made.status_code == 201, (body, made.text)
            assert made.json()["reference_id"] == made.json()["id"]


@on_sqlite
async def test_a_body_is_read_whatever_type_it_says_to_be(fp):
    for number, content_type in enumerate(("text/plain", "application/x-www-form-urlencoded")):
        body = json.dumps({"reference_id": f"R-{number}"}).encode()
        headers = {"Content-Type": content_type}
        made = await fp.ask("POST", "/devices", content=body, headers=headers)
        assert made.json()["reference_id"] == f"R-{number}"


@on_sqlite
async def test_a_wrong_body_makes_and_changes_nothing(fp):
    made = await fp.make("R-1")
    headers = {"Content-Type": "application/json"}
    for body in [*WRONG, json.dumps({"reference_id": "x" * 257}).encode()]:
        for method, path, context in (
            ("POST", "/devices", "api.device_create"),
            ("PATCH", f"/devices/{made['id']}", "api.device_update"),
        ):
            answer = await fp.ask(method, path, content=body, headers=headers)
            refused(answer, 422, "parameter_invalid", context=context)
    assert (await fp.page())["data"] == [made]


@on_sqlite
async def test_a_refusal_names_the_part_that_was_wrong(fp):
    made = await fp.make()
    for body in ({"reference_id": ""}, {"reference_id": 7}, {"reference_id": "x" * 257}):
        for method, path in (("POST", "/devices"), ("PATCH", f"/devices/{made['id']}")):
            answer = await fp.ask(method, path, json=body)
            assert refused(answer, 422)["message"].startswith("reference_id: ")


@on_sqlite
async def test_a_body_that_is_too_large_is_refused(fp):
    body = b'{"reference_id": "' + b"a" * (256 * 1024) + b'"}'
    answer = await fp.ask("POST", "/devices", content=body)
    refused(answer, 413, "parameter_invalid", context="api.device_create")


async def test_a_taken_reference_is_refused_and_free_again_once_its_device_has_another(fp):
    first, second = await fp.make("R-1"), await fp.make("R-2")
    taken = await fp.ask("POST", "/devices", json={"reference_id": "R-1"})
    said = "Reference ID already exists"
    error = refused(taken, 409, "duplicate_reference", context="api.device_create")
    assert error["message"] == said
    taken = await fp.change(second["id"], "R-1")
    error = refused(taken, 409, "duplicate_reference", context="api.device_update")
    assert error["message"] == said
    assert (await fp.page())["data"] == [second, first]
    assert (await fp.change(first["id"], "R-3")).json() == {**first, "reference_id": "R-3"}
    assert (await fp.change(second["id"], "R-1")).json() == {**second, "reference_id": "R-1"}
    assert (await fp.make("R-2"))["reference_id"] == "R-2"


async def test_to_keep_its_own_reference_is_no_conflict(fp):
    made = await fp.make("R-1")
    assert (await fp.change(made["id"], "R-1")).json() == made


@pytest.mark.parametrize("how", ["null", "its id"])
async def test_a_reference_can_be_taken_away(fp, how):
    made = await fp.make("R-1")
    bare = {**made, "reference_id": made["id"]}
    changed = await fp.change(made["id"], None if how == "null" else made["id"])
    assert (changed.status_code, changed.json()) == (200, bare)
    assert await fp.get(made["id"]) == bare
    assert (await fp.native("GET", f"/devices/{made['id']}"))["reference"] is None
    await fp.make("R-1")


@on_sqlite
async def test_a_change_must_say_which_reference(fp):
    made = await fp.make("R-1")
    for body in (b"", b"{}", b"null", b'{"reference": "R-2"}'):
        answer = await fp.ask("PATCH", f"/devices/{made['id']}", content=body)
        assert "reference_id: " in refused(answer, 422, "parameter_invalid")["message"]
    assert await fp.get(made["id"]) == made


async def test_no_reference_looks_like_another_devices_id(fp):
    first, second = await fp.make(), await fp.make("R-2")
    for reference in (first["id"], ABSENT):
        made = await fp.ask("POST", "/devices", json={"reference_id": reference})
        refused(made, 422, "parameter_invalid")
        refused(await fp.change(second["id"], reference), 422, "parameter_invalid")
        body = {"name": "a", "reference": reference}
        assert (await fp.ask("POST", "/v1/devices", json=body)).status_code == 422
    assert await fp.ids(reference_id=first["id"]) == [first["id"]]
    assert await fp.ids(reference_id=ABSENT) == []


async def test_a_device_is_found_by_what_is_shown_and_by_nothing_else(fp):
    bare, named = await fp.make(), await fp.make("R-1")
    assert (await fp.page(reference_id="R-1"))["data"] == [named]
    assert (await fp.page(reference_id=bare["id"]))["data"] == [bare]
    for other in (named["id"], "R", "R-1 ", "r-1", "R%", "", "R-1\x00", "%00"):
        answer = await fp.ask("GET", "/devices", params={"reference_id": other})
        if "\x00" in other:
            refused(answer, 422, "parameter_invalid")
        else:
            none = {"object": "list", "url": "/devices", "has_more": False, "data": []}
            assert answer.json() == none, other


async def test_a_device_that_is_ended_is_gone_and_its_reference_free(fp):
    made = await fp.make("R-1")
    path = f"/devices/{made['id']}"
    gone = await fp.ask("DELETE", path)
    assert (gone.status_code, gone.json()) == (202, {"message": "Accepted"})
    refused(await fp.ask("GET", path), 404, "not_found", context="api.device_get")
    refused(await fp.change(made["id"], "R-2"), 404, context="api.device_update")
    refused(await fp.ask("DELETE", path), 404, context="api.device_delete")
    assert (await fp.page())["data"] == []
    again = await fp.make("R-1")
    assert again["id"] != made["id"]


async def test_a_device_that_is_ended_here_is_told_so_and_gone_everywhere(fp):
    made = await fp.make("R-1")
    key = await fp.enroll(made["id"])
    await fp.ask("DELETE", f"/devices/{made['id']}")
    for path in (f"/v1/devices/{made['id']}", f"/acme/devices/v2/{made['id']}"):
        assert (await fp.ask("GET", path)).status_code == 404
    report = {"epoch": "e", "sequence": 1, "sent_at": "2026-11-21T10:00:00Z"}
    told = await fp.ask("POST", "/v1/reports", json=report, key=key)
    assert (told.status_code, told.json()["code"]) == (410, "device_retired")


async def test_last_seen_is_the_last_contact_of_any_kind_in_whole_seconds(fp):
    made = await fp.make("R-1")
    assert "last_seen" not in made
    fp.clock.advance(minutes=1)
    assert "last_seen" not in await fp.get(made["id"])
    await fp.native("PATCH", f"/devices/{made['id']}", json={"name": "renamed"})
    assert "last_seen" not in await fp.get(made["id"]), "its owner is not the device"
    fp.clock.advance(milliseconds=1999)
    key = await fp.enroll(made["id"])
    assert (await fp.get(made["id"]))["last_seen"] == "2026-11-21T10:01:01Z"
    fp.clock.advance(minutes=1)
    await fp.report(key)
    seen = "2026-11-21T10:02:01Z"
    assert (await fp.get(made["id"]))["last_seen"] == seen
    assert (await fp.page())["data"][0]["last_seen"] == seen
    assert (await fp.change(made["id"], "R-2")).json()["last_seen"] == seen


async def test_what_is_made_here_is_whole_in_the_other_apis(fp):
    made = await fp.make("R-1")
    native = await fp.native("GET", f"/devices/{made['id']}")
    assert (native["reference"], native["name"], native["status"]) == ("R-1", "R-1", "never_seen")
    config = await fp.native("GET", f"/devices/{made['id']}/config")
    assert config["revision"] == 1
    path = f"/acme/devices/v2/{made['id']}"
    assert (await fp.ask("GET", path)).json()["name"] == "R-1"
    assert (await fp.ask("GET", f"{path}/config")).json()["version"] == "1"
    device_key = await fp.enroll(made["id"])
    fetched = await fp.ask("GET", "/v1/config", key=device_key)
    assert fetched.json()["device_id"] == made["id"]
    await fp.report(device_key)
    assert (await fp.native("GET", f"/devices/{made['id']}"))["status"] == "online"


@on_sqlite
async def test_a_device_is_named_by_its_reference_or_its_id(fp):
    for reference, name in ((None, None), ("  R-1 ", "R-1"), ("   ", None), ("x" * 256, "x" * 256)):
        made = await fp.make(reference)
        native = await fp.native("GET", f"/devices/{made['id']}")
        assert native["name"] == (name or made["id"])
        assert native["reference"] == reference


@on_sqlite
async def test_no_install_token_is_made_that_nobody_sees(fp):
    made = await fp.make("R-1")
    audit = await fp.native("GET", "/audit")
    actions = [one["action"] for one in audit["data"] if one["entity_id"] == made["id"]]
    assert actions == ["device.created"]


async def test_what_is_made_elsewhere_is_shown_here(fp):
    made = await fp.native("POST", "/devices", json={"name": "camera", "reference": "R-1"})
    found = await fp.get(made["id"])
    assert found["reference_id"] == "R-1"
    other = await fp.ask("POST", "/acme/devices/v2", json={"device_name": "line 2"})
    device_id = other.json()["deviceId"]
    assert (await fp.get(device_id))["reference_id"] == device_id
    assert await fp.ids() == [device_id, made["id"]]


@on_sqlite
async def test_an_id_that_is_none_is_not_found(fp):
    for device_id in (ABSENT, "dev_1", "x", ABSENT.upper(), f"{ABSENT}0", "v2", "%00", "ä", "a b"):
        for method in ("GET", "PATCH", "DELETE"):
            body = {"json": {"reference_id": "R"}} if method == "PATCH" else {}
            answer = await fp.ask(method, f"/devices/{device_id}", **body)
            refused(answer, 404, "not_found")


@on_sqlite
async def test_the_version_asked_for_must_be_the_one_that_is_served(fp):
    made = await fp.make()
    for version, status in (
        ("2025-09-14.anode", 200),
        ("2025-09-13.anode", 422),
        ("2024-01-01.cathode", 422),
        ("2025-09-14", 422),
        ("2026-01-01.anode", 422),
        ("2025-09-14.ANODE", 422),
        ("latest", 422),
        ("", 422),
    ):
        headers = {"Flatpeak-Version": version}
        for path in ("/devices", f"/devices/{made['id']}"):
            answer = await fp.ask("GET", path, headers=headers)
            if status == 422:
                refused(answer, 422, "api_version_not_supported")
            assert answer.status_code == status, version
        if status == 422:
            answer = await fp.ask("POST", "/devices", headers=headers)
            refused(answer, 422, "api_version_not_supported", context="api.device_create")
    assert len(await fp.ids()) == 1
