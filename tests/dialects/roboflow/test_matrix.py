"""Who may what in the Deployment Manager API: every route with every key that must not open it."""

import pytest

from dialects.matrix import routes_of, texts_that_are_no_key
from dialects.native_kit import on_sqlite
from dialects.roboflow_kit import matches
from moorage.core.caller import Scope
from moorage.dialects.roboflow.scopes import ANY_KEY, KEY_IN_BODY, NEEDS
from moorage.kit.ids import new_key_text

# Who may what is decided above the engine.
pytestmark = on_sqlite

CLOSED = {route: needs for route, needs in NEEDS.items() if needs != KEY_IN_BODY}
SCOPED = {route: needs for route, needs in CLOSED.items() if needs != ANY_KEY}
OF_A_DEVICE = {route: needs for route, needs in SCOPED.items() if "{device_id}" in route[1]}
BODIES = {
    ("POST", "/{workspace}/devices/v2"): {"device_name": "camera"},
    ("PATCH", "/{workspace}/devices/v2/{device_id}/config"): {"services": {}},
    ("POST", "/{workspace}/api-keys"): {"name": "another"},
    ("PATCH", "/{workspace}/api-keys/{key_id}"): {"name": "renamed"},
}
ALSO = {("POST", "/{workspace}/api-keys/{key_id}/roll"): Scope.API_KEY_CREATE}


async def ask(rf, route, key, ids, *, slug="acme", bearer=False):
    method, template = route
    path = template.format(workspace=slug, **ids)
    params = {} if bearer or key is None else {"api_key": key}
    headers = {"Authorization": f"Bearer {key}"} if bearer else {}
    return await rf.client.request(
        method, path, params=params, headers=headers, json=BODIES.get(route)
    )


@pytest.fixture
async def device(rf):
    device = await rf.enroll()
    streams = {"streams": {"s": {"source": "x"}}}
    await rf.ask("PATCH", f"/devices/v2/{device.id}/config", json=streams)
    return device


@pytest.fixture
async def ids(rf, device):
    return {"device_id": device.id, "stream_id": "s", "key_id": (await rf.new_key())["keyId"]}


async def test_every_route_is_in_the_table_and_the_table_names_no_other(rf):
    assert routes_of(rf.app.roboflow.api) == set(NEEDS)


async def test_a_key_that_is_none_is_refused_alike_on_every_route(rf, ids, device):
    revoked = await rf.new_key()
    await rf.ask("DELETE", f"/api-keys/{revoked['keyId']}")
    texts = texts_that_are_no_key(rf.key, new_key_text("adk"), revoked["key"])
    for route in CLOSED:
        for text in texts:
            matches(await ask(rf, route, text, ids), "error-401", 401)
            matches(await ask(rf, route, text, ids, bearer=True), "error-401", 401)
        if route != ("GET", "/"):  # a browser's
            matches(await ask(rf, route, None, ids), "error-401", 401)


async def test_a_key_is_taken_from_the_query_and_as_bearer(rf, ids):
    for bearer in (False, True):
        answer = await ask(rf, ("GET", "/{workspace}/devices/v2"), rf.key, ids, bearer=bearer)
        assert answer.status_code == 200


async def test_another_workspaces_slug_is_refused_like_no_key(rf, ids):
    for route in CLOSED:
        if "{workspace}" in route[1]:
            for slug, key in (("neighbour", rf.key), ("acme", rf.foreign_key), ("nobody", rf.key)):
                matches(await ask(rf, route, key, ids, slug=slug), "error-401", 401)


async def test_without_its_scope_a_key_is_refused_naming_the_scope(rf, ids):
    nothing = (await rf.new_key())["key"]
    for route, needs in SCOPED.items():
        others = await rf.new_key(*(str(scope) for scope in Scope if scope is not needs))
        for key in (nothing, others["key"]):
            refused = matches(await ask(rf, route, key, ids), "error-scope", 404)
            assert needs in refused["error"]["message"]


async def test_with_its_scope_alone_a_key_is_let_in(rf, device):
    for route, needs in SCOPED.items():
        narrow = await rf.new_key(str(needs), *map(str, filter(None, [ALSO.get(route)])))
        ids = {"device_id": device.id, "stream_id": "s", "key_id": narrow["keyId"]}
        answer = await ask(rf, route, narrow["key"], ids)
        assert answer.status_code in (200, 201), (route, answer.text)


async def test_a_devices_key_reads_its_own_device_only(rf, ids, device):
    other = await rf.enroll("other")
    elsewhere = [other.id, "dev_000000000000000000000000", "x"]
    for route, needs in SCOPED.items():
        if route in OF_A_DEVICE and needs is Scope.DEVICE_READ:
            answer = await ask(rf, route, device.key, ids)
            assert answer.status_code == 200, (route, answer.text)
            for device_id in elsewhere:
                foreign = {**ids, "device_id": device_id}
                matches(await ask(rf, route, device.key, foreign), "error", 403)
        else:
            matches(await ask(rf, route, device.key, ids), "error", 403)


async def test_what_is_of_the_other_mode_or_absent_is_404(rf, ids):
    absent = {
        "device_id": "dev_000000000000000000000000",
        "stream_id": "none",
        "key_id": "key_000000000000000000000000",
    }
    for route in SCOPED:
        if "{device_id}" in route[1] or "{key_id}" in route[1]:
            matches(await ask(rf, route, rf.test_key, ids), "error", 404)
            matches(await ask(rf, route, rf.key, absent), "error", 404)


async def test_lists_hold_nothing_of_the_other_mode(rf, ids):
    assert (await rf.ask("GET", "/devices/v2", key=rf.test_key)).json() == {"data": []}
    own = {one["keyId"] for one in (await rf.ask("GET", "/api-keys")).json()["apiKeys"]}
    tested = await rf.ask("GET", "/api-keys", key=rf.test_key)
    assert not own & {one["keyId"] for one in tested.json()["apiKeys"]}


async def test_default_config_is_no_device_id(rf, device):
    assert set((await rf.get("/default-config")).json()) == {"config", "patch"}
    matches(await rf.ask("GET", "/devices/v2/default-config", key=device.key), "error", 403)


async def test_reading_devices_opens_configs_with_their_secrets(rf, device):
    reader = (await rf.new_key("device:read"))["key"]
    secret = {"streams": {"s": {"source": "rtsp://u:hush@h/x"}}}
    await rf.ask("PATCH", f"/devices/v2/{device.id}/config", json=secret)
    found = await rf.ask("GET", f"/devices/v2/{device.id}/config", key=reader)
    assert found.json()["streams"] == secret["streams"]
    shown = await rf.ask("GET", f"/devices/v2/{device.id}/streams", key=reader)
    assert "hush" not in shown.text
