"""Who may what: every route, with every kind of key that must not open it."""

import json

import pytest
from fastapi.routing import iter_route_contexts

from dialects.native_kit import JPEG, Api, Enrolled, mistyped, on_sqlite, problem_of, report_of
from moorage.core import keys, workspaces
from moorage.core.caller import Caller, Scope
from moorage.dialects.native.scopes import DEVICE_KEY, NEEDS, PUBLIC
from moorage.kit.ids import new_key_text

# Who may what is decided above the engine.
pytestmark = on_sqlite

CLOSED = {route: needs for route, needs in NEEDS.items() if needs != PUBLIC}
OWNERS = {route: needs for route, needs in CLOSED.items() if needs != DEVICE_KEY}
DEVICES = {route: needs for route, needs in CLOSED.items() if needs == DEVICE_KEY}

# What makes a request right, so that nothing but the key can be refused.
BODIES = {
    ("POST", "/v1/enroll"): {"install_token": "inst_x"},
    ("POST", "/v1/reports"): report_of(),
    ("POST", "/v1/devices"): {"name": "camera"},
    ("PATCH", "/v1/devices/{device_id}"): {"name": "renamed"},
    ("PATCH", "/v1/devices/{device_id}/config"): {"config": {"log_level": "debug"}},
    ("POST", "/v1/api-keys"): {"name": "another"},
    ("PATCH", "/v1/api-keys/{key_id}"): {"name": "renamed"},
    ("POST", "/v1/devices/{device_id}/config/rollback"): {"revision": 1},
    ("PUT", "/v1/default-config"): {"patch": {"config": {"log_level": "debug"}}},
    ("POST", "/v1/devices/{device_id}/commands"): {"kind": "ping"},
    ("POST", "/v1/devices/{device_id}/config/plan"): {"config": {"log_level": "debug"}},
    ("POST", "/v1/provisioning-tokens"): {"name": "many"},
    ("POST", "/v1/virtual-devices"): {"count": 1},
    ("POST", "/v1/virtual-devices/{device_id}/drive"): {"action": "offline"},
    ("POST", "/v1/workspaces"): {"slug": "another"},
    ("PATCH", "/v1/workspaces/{slug}"): {"name": "renamed"},
}
# What an owner's key may not do even with the scope: only the administration's may.
ADMINISTRATION = {("POST", "/v1/workspaces")}
# An answer without an end cannot be waited for; the feed's own tests are let in.
ENDLESS = {("GET", "/v1/stream")}
# Two scopes at once: the table names the one that is asked for first.
ALSO = {
    ("POST", "/v1/api-keys/{key_id}/roll"): Scope.API_KEY_CREATE,
    ("POST", "/v1/devices/{device_id}/config/plan"): Scope.COMMAND_SEND,
}
NAMED = {
    ("GET", "/v1/devices"): ["", "?live_mode=true", "?live_mode=false", "?include=counts"],
    ("GET", "/v1/devices/{device_id}/telemetry"): ["", "?bucket_s=60"],
}


async def ask(api: Api, route: tuple[str, str], key: str | None, ids: dict[str, str], more=""):
    method, template = route
    body = BODIES.get(route)
    headers = {} if key is None else {"Authorization": b"Bearer " + key.encode()}
    if body is not None:
        headers["Content-Type"] = "application/json"
    return await api.client.request(
        method,
        template.format(**{"stream_id": "s", "action": "pause", "revision": 1, **ids}) + more,
        content=None if body is None else json.dumps(body),
        headers=headers,
    )


@pytest.fixture
async def device(api) -> Enrolled:
    return await api.enroll()


@pytest.fixture
async def ids(api, device) -> dict[str, str]:
    return await ids_of(api, device.device_id)


async def ids_of(api: Api, device_id: str) -> dict[str, str]:
    sent = await api.client.post(
        f"/v1/devices/{device_id}/commands", json={"kind": "ping"}, headers=api.auth()
    )
    token = await api.client.post(
        "/v1/provisioning-tokens", json={"name": "many"}, headers=api.auth()
    )
    return {
        "device_id": device_id,
        "key_id": (await api.key())["id"],
        "command_id": sent.json()["id"],
        "slug": "acme",
        "token_id": token.json()["id"],
    }


async def device_with_everything(api: Api) -> str:
    """One that brought an id of its own along, and a picture of its stream."""
    token = await api.client.post(
        "/v1/provisioning-tokens", json={"name": "one"}, headers=api.auth()
    )
    told = await api.client.post(
        "/v1/enroll",
        json={
            "provisioning_token": token.json()["token"],
            "device": {"device_id": token.json()["id"]},
        },
    )
    device_id, key = told.json()["device_id"], told.json()["device_key"]
    sent = await api.client.post(f"/v1/devices/{device_id}/streams/s/snapshot", headers=api.auth())
    brought = await api.client.put(
        f"/v1/commands/{sent.json()['id']}/snapshot", content=JPEG, headers=api.auth(key)
    )
    assert brought.status_code == 204, brought.text
    return str(device_id)


@pytest.fixture
async def neighbour(api) -> str:
    """The key of another workspace."""
    async with api.running.db.write() as tx:
        workspace = await workspaces.ensure(tx, "neighbour")
        caller = Caller(workspace.id, live=True, actor="system:test")
        return (await keys.issue(tx, caller, name="test", live=True)).text


async def test_every_route_is_in_the_table_and_the_table_names_no_other(api):
    native = api.running.app.native
    routes = {
        (method, route.path)
        for route in iter_route_contexts(native.api.routes)
        for method in (route.methods or ())
        if method != "HEAD"
    }
    routes.add(("POST", "/v1/reports"))
    assert routes == set(NEEDS)


async def test_a_key_that_is_none_is_refused_alike_on_every_route(api, ids, device):
    revoked = await api.key()
    await api.client.delete(f"/v1/api-keys/{revoked['id']}", headers=api.auth())
    texts = {
        "none": None,
        "garbage": "garbage",
        "empty": "",
        "long": "sk_live_" + "0" * 5000,
        "umlaut": "sk_live_ä",
        "typo": mistyped(api.running.live_key),
        "device typo": mistyped(device.key),
        "unknown": new_key_text("sk_live"),
        "unknown device": new_key_text("adk"),
        "revoked": revoked["key"],
        "install token": device.install_token,
    }
    said = set()
    for route in CLOSED:
        for text in texts.values():
            answer = await ask(api, route, text, ids)
            said.add(problem_of(answer, 401, "key_invalid")["detail"])
    assert len(said) == 1, "which part of a key was wrong is told to nobody"


async def test_without_a_key_nothing_is_said_about_the_body(api, ids):
    for method, template in CLOSED:
        path = template.format(**{"stream_id": "s", "action": "pause", "revision": "x", **ids})
        answer = await api.client.request(method, path, json={"name": 7, "tags": 7, "kind": 7})
        problem_of(answer, 401, "key_invalid")


@pytest.mark.parametrize("scheme", ["Basic", "Token", "bearer", "BEARER"])
async def test_the_scheme_is_bearer_in_any_case_and_no_other(api, scheme):
    headers = {"Authorization": f"{scheme} {api.running.live_key}"}
    answer = await api.client.get("/v1/devices", headers=headers)
    assert answer.status_code == (200 if scheme.lower() == "bearer" else 401)


async def test_without_its_scope_a_key_is_refused_naming_the_scope(api, ids):
    nothing = await api.key()
    for route, needs in OWNERS.items():
        others = await api.key(*(str(scope) for scope in Scope if scope is not needs))
        for key in (nothing["key"], others["key"]):
            for more in NAMED.get(route, [""]):
                answer = await ask(api, route, key, ids, more)
                assert problem_of(answer, 403, "missing_scope")["scope"] == needs, route


async def test_with_its_scope_alone_a_key_is_let_in(api):
    for route, needs in OWNERS.items():
        if route in ENDLESS | ADMINISTRATION:
            continue
        ids = await ids_of(api, await device_with_everything(api))
        scopes = [str(needs), *filter(None, [ALSO.get(route)])]
        narrow = await api.key(*map(str, scopes))
        if route[1].startswith("/v1/virtual-devices/"):
            made = await api.client.post("/v1/virtual-devices", json={}, headers=api.auth())
            ids["device_id"] = made.json()["data"][0]["id"]
        if "/api-keys/{key_id}/roll" in route[1]:
            ids["key_id"] = narrow["id"]
        if route == ("POST", "/v1/api-keys"):
            own = {"name": "no more than itself", "scopes": [str(needs)]}
            answer = await api.client.post(
                "/v1/api-keys", json=own, headers=api.auth(narrow["key"])
            )
        else:
            answer = await ask(api, route, narrow["key"], ids)
        assert answer.status_code in (200, 201, 204), (route, answer.text)


async def test_a_devices_key_opens_no_owners_route(api, ids, device):
    other = await api.enroll()
    for route in OWNERS:
        for key in (device.key, other.key):
            for more in NAMED.get(route, [""]):
                answer = await ask(api, route, key, ids, more)
                problem_of(answer, 403, "device_key_not_allowed")


async def test_an_owners_key_opens_no_devices_route(api, ids):
    for route in DEVICES:
        for key in (api.running.live_key, api.running.test_key):
            problem_of(await ask(api, route, key, ids), 403, "device_key_required")


async def test_what_is_foreign_looks_absent(api, ids, neighbour):
    absent = {
        "device_id": "dev_" + "0" * 24,
        "key_id": "key_" + "0" * 24,
        "command_id": "cmd_" + "0" * 24,
        "slug": "nobody",
        "token_id": "00000000-0000-7000-8000-000000000000",
    }
    no_ids = dict.fromkeys(absent, "x")
    for route in OWNERS:
        if "{" not in route[1]:
            continue
        # A workspace has no mode.
        test_key = neighbour if "{slug}" in route[1] else api.running.test_key
        answers = [
            await ask(api, route, neighbour, ids),
            await ask(api, route, test_key, ids),
            await ask(api, route, api.running.live_key, absent),
            await ask(api, route, api.running.live_key, no_ids),
        ]
        said = {problem_of(answer, 404, "not_found")["detail"] for answer in answers}
        assert len(said) == 1, route


@pytest.mark.parametrize("path", ["/v1/devices", "/v1/api-keys"])
async def test_lists_hold_nothing_of_another_workspace_or_mode(api, ids, neighbour, path):
    own = {one["id"] for one in (await api.read(path))["data"]}
    assert set(ids.values()) & own
    for key in (neighbour, api.running.test_key):
        theirs = {one["id"] for one in (await api.read(path, key=key))["data"]}
        assert not theirs & own


async def test_a_test_key_cannot_make_itself_a_live_one(api):
    answer = await api.client.post(
        "/v1/api-keys", json={"name": "up", "mode": "live"}, headers=api.auth(api.running.test_key)
    )
    problem_of(answer, 403, "test_key_not_allowed")


async def test_a_key_grants_no_more_than_it_holds(api):
    narrow = await api.key("api-key:create", "device:read")
    for scopes in (None, ["device:update"], ["device:read", "device:delete"]):
        answer = await api.client.post(
            "/v1/api-keys",
            json={"name": "more", "scopes": scopes},
            headers=api.auth(narrow["key"]),
        )
        problem_of(answer, 403, "grant_exceeds_own")


async def test_each_device_reads_its_own_config_only(api, device):
    other = await api.enroll()
    for one in (device, other):
        read = await api.client.get("/v1/config", headers=one.auth)
        assert read.json()["device_id"] == one.device_id
