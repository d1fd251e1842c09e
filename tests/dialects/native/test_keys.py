"""Workspace keys through the native API."""

from dialects.native_kit import TIME, on_sqlite, pointers_of, problem_of

pytestmark = on_sqlite


async def test_a_key_is_shown_once_and_works_at_once(api):
    made = await api.key("device:read")
    assert made["key"].startswith("sk_live_")
    assert made["key"].startswith(made["prefix"])
    assert len(made["prefix"]) < len(made["key"]) / 2
    assert (made["mode"], made["scopes"], made["revoked_at"]) == ("live", ["device:read"], None)
    assert TIME.fullmatch(made["created_at"])
    await api.read("/v1/devices", key=made["key"])
    for path in ("/v1/api-keys", f"/v1/api-keys/{made['id']}"):
        answer = await api.client.get(path, headers=api.auth())
        assert made["id"] in answer.text
        assert made["key"] not in answer.text


async def test_a_live_key_may_make_a_test_key(api):
    made = await api.client.post(
        "/v1/api-keys", json={"name": "t", "mode": "test"}, headers=api.auth()
    )
    assert made.json()["key"].startswith("sk_test_")
    device = await api.make(key=made.json()["key"])
    assert device["live_mode"] is False


async def test_a_revoked_key_is_refused_from_then_on_and_still_listed(api):
    made = await api.key("device:read")
    path = f"/v1/api-keys/{made['id']}"
    first = await api.client.delete(path, headers=api.auth())
    again = await api.client.delete(path, headers=api.auth())
    assert first.status_code == again.status_code == 200
    assert TIME.fullmatch(first.json()["revoked_at"])
    assert again.json() == first.json()
    refused = await api.client.get("/v1/devices", headers=api.auth(made["key"]))
    problem_of(refused, 401, "key_invalid")
    assert made["id"] in {one["id"] for one in (await api.read("/v1/api-keys"))["data"]}


async def test_a_key_may_revoke_itself(api):
    made = await api.key("api-key:revoke", "api-key:read")
    path = f"/v1/api-keys/{made['id']}"
    assert (await api.client.delete(path, headers=api.auth(made["key"]))).status_code == 200
    problem_of(await api.client.get(path, headers=api.auth(made["key"])), 401)


async def test_a_devices_key_is_not_among_the_workspaces(api):
    device = await api.enroll()
    listed = await api.client.get("/v1/api-keys", headers=api.auth())
    assert "adk_" not in listed.text
    assert device.key not in listed.text


async def test_a_member_of_the_wrong_kind_is_refused_naming_it(api):
    wrong = [
        ({}, "/name"),
        ({"name": ""}, "/name"),
        ({"name": "a" * 129}, "/name"),
        ({"name": "a", "scopes": ["device:read", "device:fly"]}, "/scopes/1"),
        ({"name": "a", "scopes": "device:read"}, "/scopes"),
        ({"name": "a", "mode": "dead"}, "/mode"),
    ]
    for body, pointer in wrong:
        answer = await api.client.post("/v1/api-keys", json=body, headers=api.auth())
        assert pointers_of(problem_of(answer, 422)) == [pointer], body
