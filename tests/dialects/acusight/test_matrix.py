"""Who may what in the Acusight API: every route with every key that must not open it."""

import pytest

from conftest import make_owner
from dialects.acusight_kit import data_of, error_of, on_sqlite
from dialects.matrix import routes_of, texts_that_are_no_key
from moorage.core import keys
from moorage.core.caller import Scope
from moorage.dialects.acusight.scopes import ANY_KEY, BY_CALL, DEVICE, NEEDS, TOKEN_IN_BODY
from moorage.kit.ids import new_key_text

# Who may what is decided above the engine.
pytestmark = on_sqlite

# HEAD has no body to look at; it is the same route as GET.
ROUTES = {route: needs for route, needs in NEEDS.items() if route[0] != "HEAD"}
OWNERS = {route: needs for route, needs in ROUTES.items() if needs not in (DEVICE, TOKEN_IN_BODY)}
DEVICES = {route for route, needs in ROUTES.items() if needs == DEVICE}
SCOPED = {route: needs for route, needs in OWNERS.items() if needs not in (ANY_KEY, BY_CALL)}
BODIES = {
    ("POST", "/api/provisioning-tokens"): {"name": "another"},
    ("PATCH", "/api/devices/{device_id}"): {"name": "renamed"},
    ("PATCH", "/api/organization"): {"name": "Renamed"},
    ("POST", "/api/virtual-devices"): {"count": 1},
    ("POST", "/api/virtual-devices/{device_id}/drive"): {"action": "offline"},
    ("POST", "/api/device/checkin"): {},
    ("POST", "/api/agent/checkin"): {"device_id": "box-1"},
}
IDS = {"device_id": "box-1", "path": "containers/json"}


def path_of(route, ids) -> str:
    return route[1].replace(":path", "").format(**ids)


async def ask(api, route, headers, ids):
    return await api.client.request(
        route[0], path_of(route, ids), headers=headers, json=BODIES.get(route)
    )


def bearer(text: str) -> dict[str, bytes]:
    return {"Authorization": b"Bearer " + text.encode()}


async def key_with(api, *scopes: str, key: str | None = None) -> dict[str, str]:
    made = await api.client.post(
        "/v1/api-keys", json={"name": "narrow", "scopes": scopes}, headers=api.running.auth(key)
    )
    assert made.status_code == 201, made.text
    return made.json()


@pytest.fixture
async def device_key(api) -> str:
    return await api.device("box-1")


@pytest.fixture
async def ids(api, device_key) -> dict[str, str]:
    return {**IDS, "token_id": (await api.token())["id"]}


async def test_every_route_is_in_the_table_and_the_table_names_no_other(api):
    assert routes_of(api.running.app.acusight.api) == set(ROUTES)


async def test_a_key_that_is_none_is_refused_alike_on_every_route(api, ids, device_key):
    revoked = await key_with(api)
    await api.client.delete(f"/v1/api-keys/{revoked['id']}", headers=api.running.auth())
    texts = texts_that_are_no_key(api.running.live_key, new_key_text("adk"), revoked["key"])
    for route in OWNERS:
        for text in texts:
            error_of(await ask(api, route, bearer(text), ids), 401, "UNAUTHORIZED")
        error_of(await ask(api, route, {}, ids), 401, "UNAUTHORIZED")
        error_of(await ask(api, route, {"X-Device-Key": device_key}, ids), 401, "UNAUTHORIZED")
    for route in DEVICES:
        for text in texts:
            headers = {"X-Device-Key": text.encode()}
            error_of(await ask(api, route, headers, ids), 401, "UNAUTHORIZED")
        error_of(await ask(api, route, {}, ids), 401, "UNAUTHORIZED")
        error_of(await ask(api, route, bearer(device_key), ids), 401, "UNAUTHORIZED")


async def test_a_devices_key_opens_no_owners_route(api, ids, device_key):
    for route, needs in OWNERS.items():
        if needs != ANY_KEY:
            error_of(await ask(api, route, bearer(device_key), ids), 403, "FORBIDDEN")


async def test_an_owners_key_opens_no_route_of_a_device(api, ids):
    for route in DEVICES:
        headers = {"X-Device-Key": api.running.live_key}
        error_of(await ask(api, route, headers, ids), 403, "FORBIDDEN")


async def test_without_its_scope_a_key_is_refused_naming_the_scope(api, ids):
    for route, needs in SCOPED.items():
        others = [str(scope) for scope in Scope if scope is not needs]
        for narrow in (await key_with(api), await key_with(api, *others)):
            error = error_of(await ask(api, route, bearer(narrow["key"]), ids), 403, "FORBIDDEN")
            assert needs in error["message"]


async def test_with_its_scope_alone_a_key_is_let_in(api, ids):
    for route, needs in SCOPED.items():
        if route[0] == "DELETE" and "{device_id}" in route[1]:
            continue
        narrow = await key_with(api, needs)
        known = ids
        if route[1].startswith("/api/virtual-devices/"):
            made = await api.call("POST", "/virtual-devices", json={})
            known = {**ids, "device_id": made.json()["data"][0]["device_id"]}
        answer = await ask(api, route, bearer(narrow["key"]), known)
        assert answer.status_code in (200, 201), (route, answer.text)
    narrow = await key_with(api, "device:delete")
    answer = await ask(api, ("DELETE", "/api/devices/{device_id}"), bearer(narrow["key"]), ids)
    assert answer.status_code == 200


async def test_what_is_of_another_workspace_or_the_other_mode_is_404(api, ids):
    test = bearer(api.running.test_key)
    for route in SCOPED:
        if "{device_id}" in route[1] or "{token_id}" in route[1]:
            error_of(await ask(api, route, test, ids), 404, "NOT_FOUND")
    foreign = bearer(await foreign_key(api))
    for route in SCOPED:
        if "{device_id}" in route[1] or "{token_id}" in route[1]:
            error_of(await ask(api, route, foreign, ids), 404, "NOT_FOUND")


async def foreign_key(api) -> str:

    owner = await make_owner(api.running.db, "neighbour")
    async with api.running.db.write() as tx:
        return (await keys.issue(tx, owner, name="theirs", live=True)).text


async def test_lists_hold_nothing_of_the_other_mode(api, ids):
    for path in ("/devices", "/provisioning-tokens"):
        answer = await api.call("GET", path, key=api.running.test_key)
        assert data_of(answer) == []
        assert answer.json()["meta"]["total"] == 0


async def test_a_disabled_key_of_a_device_opens_only_the_word_that_it_is(api, ids, device_key):
    await api.call("PATCH", "/devices/box-1", json={"status": "rejected"})
    for route in DEVICES:
        answer = await ask(api, route, {"X-Device-Key": device_key}, ids)
        if route == ("GET", "/api/device/self"):
            assert data_of(answer)["status"] == "rejected"
        else:
            error_of(answer, 401, "UNAUTHORIZED")


async def test_without_a_portainer_the_way_into_one_is_not_there(api, ids):
    for route, needs in OWNERS.items():
        if needs == BY_CALL:
            headers = bearer(api.running.live_key)
            error_of(await ask(api, route, headers, ids), 404, "NOT_FOUND")
