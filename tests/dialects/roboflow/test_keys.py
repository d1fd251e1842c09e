"""Keys as the Deployment Manager API manages them."""

from dialects.native_kit import on_sqlite
from dialects.roboflow_kit import matches

# Who may what is decided above the engine.
pytestmark = on_sqlite


async def test_scopes_absent_are_the_callers_null_are_all_and_an_empty_list_none(rf):
    caller = await rf.new_key("api-key:create", "device:read")
    inherited = await rf.ask("POST", "/api-keys", json={"name": "a"}, key=caller["key"])
    assert sorted(inherited.json()["scopes"]) == ["api-key:create", "device:read"]
    assert (await rf.ask("POST", "/api-keys", json={"name": "a"})).json()["scopes"] is None
    everything = await rf.ask("POST", "/api-keys", json={"name": "b", "scopes": None})
    assert everything.json()["scopes"] is None
    nothing = await rf.ask("POST", "/api-keys", json={"name": "c", "scopes": []})
    assert nothing.json()["scopes"] == []
    assert (await rf.ask("GET", "/devices/v2", key=nothing.json()["key"])).status_code == 404


async def test_nobody_grants_more_than_it_holds(rf):
    caller = await rf.new_key("api-key:create", "api-key:update", "device:read")
    for scopes in (None, ["device:update"], ["device:read", "api-key:revoke"]):
        refused = await rf.ask(
            "POST", "/api-keys", json={"name": "up", "scopes": scopes}, key=caller["key"]
        )
        matches(refused, "error", 403)
    path = f"/api-keys/{caller['keyId']}"
    raised = await rf.ask("PATCH", path, json={"scopes": None}, key=caller["key"])
    matches(raised, "error", 403)


async def test_a_patch_leaves_scopes_it_does_not_name(rf):
    made = await rf.new_key("device:read")
    path = f"/api-keys/{made['keyId']}"
    renamed = (await rf.ask("PATCH", path, json={"name": "renamed"})).json()["apiKey"]
    assert (renamed["name"], renamed["scopes"]) == ("renamed", ["device:read"])


async def test_a_protected_key_is_neither_disabled_revoked_rolled_nor_unprotected(rf):
    made = await rf.new_key("device:read", protected=True)
    path = f"/api-keys/{made['keyId']}"
    assert made["protected"] is True
    matches(await rf.ask("PATCH", path, json={"disabled": True}), "error", 409)
    matches(await rf.ask("DELETE", path), "error", 409)
    matches(await rf.ask("POST", f"{path}/roll"), "error", 409)
    matches(await rf.ask("PATCH", path, json={"protected": False}), "error", 403)
    assert (await rf.ask("GET", "/devices/v2", key=made["key"])).status_code == 200


async def test_a_disabled_key_is_refused_and_listed_only_when_asked_for(rf):
    made = await rf.new_key("device:read")
    path = f"/api-keys/{made['keyId']}"
    await rf.ask("PATCH", path, json={"disabled": True})
    matches(await rf.ask("GET", "/devices/v2", key=made["key"]), "error-401", 401)

    async def listed(**params) -> set[str]:
        found = (await rf.ask("GET", "/api-keys", params=params)).json()["apiKeys"]
        return {key["keyId"] for key in found}

    assert made["keyId"] not in await listed()
    assert made["keyId"] in await listed(includeDisabled="true")
    await rf.ask("PATCH", path, json={"disabled": False})
    assert (await rf.ask("GET", "/devices/v2", key=made["key"])).status_code == 200


async def test_a_rolled_key_works_and_the_one_before_does_not(rf):
    made = await rf.new_key("device:read")
    rolled = (await rf.ask("POST", f"/api-keys/{made['keyId']}/roll")).json()
    matches(await rf.ask("GET", "/devices/v2", key=made["key"]), "error-401", 401)
    assert (await rf.ask("GET", "/devices/v2", key=rolled["key"])).status_code == 200


async def test_rolling_needs_both_scopes(rf):
    target = await rf.new_key("device:read")
    for scopes in (["api-key:revoke"], ["api-key:create"]):
        caller = await rf.new_key(*scopes, "device:read")
        refused = await rf.ask("POST", f"/api-keys/{target['keyId']}/roll", key=caller["key"])
        matches(refused, "error-scope", 404)


async def test_a_devices_key_is_listed_under_its_name_and_falls_with_it(rf):
    device = await rf.enroll()

    async def names() -> list[str]:
        found = (await rf.ask("GET", "/api-keys")).json()["apiKeys"]
        return [key["name"] for key in found]

    assert f"Device: {device.id}" in await names()
    headers = {"Authorization": f"Bearer {rf.key}"}
    await rf.client.delete(f"/v1/devices/{device.id}", headers=headers)
    assert f"Device: {device.id}" not in await names()


async def test_a_keys_text_is_in_no_later_answer(rf):
    made = await rf.new_key("device:read")
    for path in ("/api-keys", f"/api-keys/{made['keyId']}"):
        assert made["key"] not in (await rf.ask("GET", path)).text
