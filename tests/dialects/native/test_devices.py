"""Devices through the native API."""

import pytest

from dialects.native_kit import TIME, on_sqlite, pointers_of, problem_of


@on_sqlite
async def test_a_device_is_made_with_a_token_shown_once(running):
    made = await running.client.post(
        "/v1/devices", json={"name": "camera 1", "tags": ["a", "b"]}, headers=running.auth()
    )
    assert made.status_code == 201
    token = made.json()["install_token"]
    assert token in made.json()["install_command"]
    read = await running.client.get(f"/v1/devices/{made.json()['id']}", headers=running.auth())
    assert read.json()["name"] == "camera 1"
    assert token not in read.text


async def test_a_device_is_read_as_it_was_made(api):
    made = await api.make("Halle 3 · ü", type="camera", tags=["b", "a", "b"], reference="r-1")
    read = await api.read(f"/v1/devices/{made['id']}")
    assert (read["name"], read["type"], read["reference"]) == ("Halle 3 · ü", "camera", "r-1")
    assert read["tags"] == ["b", "a"], "in the order given, none twice"
    assert read["live_mode"] is True
    assert TIME.fullmatch(read["created_at"])
    assert {**made, "install_token": 0, "install_command": 0, "expires_at": 0} == {
        **read,
        "install_token": 0,
        "install_command": 0,
        "expires_at": 0,
    }


async def test_a_change_leaves_what_it_does_not_name(api):
    made = await api.make("old", tags=["a"], reference="r-1")
    path = f"/v1/devices/{made['id']}"
    changed = await api.client.patch(path, json={"name": "new"}, headers=api.auth())
    assert changed.status_code == 200
    assert (changed.json()["name"], changed.json()["tags"]) == ("new", ["a"])
    assert changed.json()["reference"] == "r-1"
    cleared = await api.client.patch(path, json={"reference": None, "tags": []}, headers=api.auth())
    assert (cleared.json()["reference"], cleared.json()["tags"]) == (None, [])
    assert await api.read(path) == cleared.json()


async def test_a_reference_belongs_to_one_device_of_a_mode(api):
    first, second = await api.make(reference="r-1"), await api.make()
    taken = await api.client.post(
        "/v1/devices", json={"name": "b", "reference": "r-1"}, headers=api.auth()
    )
    problem_of(taken, 409)
    path = f"/v1/devices/{second['id']}"
    problem_of(await api.client.patch(path, json={"reference": "r-1"}, headers=api.auth()), 409)
    await api.make(reference="r-1", key=api.running.test_key)
    await api.client.delete(f"/v1/devices/{first['id']}", headers=api.auth())
    await api.make(reference="r-1")


async def test_a_retired_device_is_absent_to_its_owner(api):
    made = await api.make()
    path = f"/v1/devices/{made['id']}"
    gone = await api.client.delete(path, headers=api.auth())
    assert (gone.status_code, gone.content) == (204, b"")
    for part in ("", "/config", "/logs", "/events", "/telemetry"):
        problem_of(await api.client.get(path + part, headers=api.auth()), 404, "not_found")
    problem_of(await api.client.delete(path, headers=api.auth()), 404, "not_found")
    assert (await api.read("/v1/devices"))["data"] == []


WRONG = [
    ({}, "/name"),
    ({"name": ""}, "/name"),
    ({"name": "   "}, "/name"),
    ({"name": "a" * 257}, "/name"),
    ({"name": "a\nb"}, "/name"),
    ({"name": "a\x1b[2J"}, "/name"),
    ({"name": "a\u202eb"}, "/name"),
    ({"name": None}, "/name"),
    ({"name": 5}, "/name"),
    ({"name": "a", "type": ""}, "/type"),
    ({"name": "a", "type": "a" * 65}, "/type"),
    ({"name": "a", "tags": ["a", ""]}, "/tags/1"),
    ({"name": "a", "tags": ["a" * 129]}, "/tags/0"),
    ({"name": "a", "tags": [str(n) for n in range(65)]}, "/tags"),
    ({"name": "a", "tags": "a"}, "/tags"),
    ({"name": "a", "tags": None}, "/tags"),
    ({"name": "a", "tags": [None]}, "/tags/0"),
    ({"name": "a", "reference": ""}, "/reference"),
    ({"name": "a", "reference": "a" * 257}, "/reference"),
]


@on_sqlite
async def test_a_member_of_the_wrong_kind_is_refused_naming_it(api):
    made = await api.make()
    for body, pointer in WRONG:
        answer = await api.client.post("/v1/devices", json=body, headers=api.auth())
        assert pointers_of(problem_of(answer, 422)) == [pointer], body
        if body:
            path = f"/v1/devices/{made['id']}"
            answer = await api.client.patch(path, json=body, headers=api.auth())
            assert pointers_of(problem_of(answer, 422)) == [pointer], body
    assert [one["name"] for one in (await api.read("/v1/devices"))["data"]] == ["camera"]


@on_sqlite
@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("status=gone", "/status/0"),
        ("sort=colour", "/sort"),
        ("include=all", "/include"),
        ("live_mode=perhaps", "/live_mode"),
        ("type=" + "a" * 65, "/type"),
        ("q=" + "a" * 257, "/q"),
        ("&".join(f"tag={n}" for n in range(17)), "/tag"),
    ],
)
async def test_a_query_parameter_of_the_wrong_kind_is_refused_naming_it(api, query, pointer):
    answer = await api.client.get(f"/v1/devices?{query}", headers=api.auth())
    assert pointers_of(problem_of(answer, 422)) == [pointer]
