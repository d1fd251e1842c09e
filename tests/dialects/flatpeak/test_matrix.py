"""Who may what in the Flatpeak API: every route with every credential that must not open it."""

import pytest

from dialects.flatpeak_kit import ABSENT, basic, denied, refused
from dialects.matrix import routes_of, texts_that_are_no_key
from dialects.native_kit import on_sqlite
from moorage.core.caller import Scope
from moorage.dialects.flatpeak.scopes import LOGIN, OPERATIONS

# Who may what is decided above the engine.
pytestmark = on_sqlite

SCOPED = {route: one for route, one in OPERATIONS.items() if one.needs is not None}
BODIES = {
    ("POST", "/devices"): {"reference_id": "R-9"},
    ("PATCH", "/devices/{device_id}"): {"reference_id": "R-9"},
}
STATUS = {"POST": 201, "DELETE": 202}


async def ask(fp, route, key, device_id, **more):
    method, template = route
    path = template.format(device_id=device_id)
    return await fp.ask(method, path, key=key, **{"json": BODIES.get(route), **more})


async def as_everything(fp, route, text, device_id):
    """A text as bearer, and with the account where one logs in."""
    if route[1] == LOGIN:
        return await fp.client.get(LOGIN, headers=basic(fp.account_id, text))
    headers = {"Authorization": b"Bearer " + text.encode()}
    return await ask(fp, route, None, device_id, headers=headers)


@pytest.fixture
async def device_id(fp) -> str:
    return (await fp.make("R-1"))["id"]


async def test_every_route_is_in_the_table_and_the_table_names_no_other(fp):
    assert routes_of(fp.app.flatpeak.api) == set(OPERATIONS)
    contexts = {one.context for one in OPERATIONS.values()}
    assert len(contexts) == len(OPERATIONS), "each is named apart"


async def test_the_document_names_every_route_its_credentials_and_its_refusals(fp):
    document = (await fp.client.get("/docs/flatpeak.json")).json()
    named = {
        (method.upper(), path): operation
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert set(named) == set(OPERATIONS)
    assert set(document["components"]["securitySchemes"]) == {"account", "token"}
    for (_, path), operation in named.items():
        assert operation["security"] == [{"account" if path == LOGIN else "token": []}]
        statuses = {int(status) for status in operation["responses"]}
        assert {403, 404, 409, 422, 429, 503} <= statuses
        headers = [one["name"] for one in operation["parameters"] if one["in"] == "header"]
        assert "Flatpeak-Version" in headers
    assert "HTTPValidationError" not in document["components"]["schemas"]


async def test_no_credentials_at_all_are_bad_ones(fp, device_id):
    for route, operation in OPERATIONS.items():
        denied(await ask(fp, route, None, device_id), operation.context)
        in_query = await ask(fp, route, None, device_id, params={"api_key": fp.key})
        denied(in_query, operation.context)


async def test_what_is_no_key_is_refused_alike_on_every_route(fp, device_id):
    own = await fp.new_key()
    token = await fp.token(own["key"])
    disabled = await fp.new_key()
    await fp.native("DELETE", f"/api-keys/{own['id']}")
    path = f"/acme/api-keys/{disabled['id']}"
    assert (await fp.ask("PATCH", path, json={"disabled": True})).status_code == 200
    texts = [*texts_that_are_no_key(fp.key, own["key"], disabled["key"], token), "", "sk_live_ä"]
    for route, operation in OPERATIONS.items():
        for text in texts:
            denied(await as_everything(fp, route, text, device_id), operation.context)
    assert await fp.ids() == [device_id]


async def test_an_expired_token_is_refused_on_every_route(fp, device_id):
    token = await fp.token()
    fp.clock.advance(hours=1)
    for route, operation in OPERATIONS.items():
        denied(await as_everything(fp, route, token, device_id), operation.context)


async def test_bad_credentials_are_said_before_anything_that_is_wrong_besides(fp, device_id):
    own = await fp.new_key()
    tokens = [own["key"], await fp.token(own["key"]), "garbage", None]
    await fp.native("DELETE", f"/api-keys/{own['id']}")
    for route, operation in SCOPED.items():
        for text in tokens:
            answer = await ask(
                fp,
                route,
                text,
                "x",
                json=None,
                content=b'{"reference_id": 7',
                params={"limit": "x", "reference_id": "\x00"},
                headers={"Flatpeak-Version": "none", "Idempotency-Key": ""},
            )
            denied(answer, operation.context)


async def test_a_devices_key_opens_nothing_here(fp, device_id):
    own = await fp.enroll(device_id)
    other = await fp.enroll((await fp.make())["id"])
    for route, operation in OPERATIONS.items():
        for key in (own, other):
            answer = await as_everything(fp, route, key, device_id)
            refused(answer, 403, "access_denied", context=operation.context, live=None)


async def test_without_its_scope_a_key_is_refused_naming_the_scope(fp, device_id):
    nothing = (await fp.new_key())["key"]
    for route, operation in SCOPED.items():
        others = await fp.new_key(*(str(one) for one in Scope if one is not operation.needs))
        for key in (nothing, others["key"]):
            for credential in (key, await fp.token(key)):
                answer = await ask(fp, route, credential, device_id)
                error = refused(answer, 403, "access_denied", context=operation.context)
                assert operation.needs in error["message"]
    assert await fp.ids() == [device_id]


async def test_with_its_scope_alone_a_key_is_let_in(fp):
    for route, operation in SCOPED.items():
        key = (await fp.new_key(str(operation.needs)))["key"]
        for number, credential in enumerate((key, await fp.token(key))):
            device_id = (await fp.make())["id"]
            body = {"reference_id": f"{route[0]}-{number}"} if route in BODIES else None
            answer = await ask(fp, route, credential, device_id, json=body)
            assert answer.status_code == STATUS.get(route[0], 200), (route, answer.text)


async def test_a_key_without_any_scope_can_log_in_and_do_nothing(fp):
    answer = await fp.log_in((await fp.new_key())["key"])
    assert answer.status_code == 200


async def test_what_is_foreign_of_the_other_mode_or_absent_looks_the_same(fp, device_id):
    for route, operation in SCOPED.items():
        if "{device_id}" not in route[1]:
            continue
        said = set()
        for key, asked, live in (
            (fp.foreign_key, device_id, True),
            (fp.test_key, device_id, False),
            (await fp.token(fp.test_key), device_id, False),
            (fp.key, ABSENT, True),
            (fp.key, "x", True),
        ):
            answer = await ask(fp, route, key, asked)
            error = refused(answer, 404, "not_found", context=operation.context, live=live)
            said.add(error["message"])
        assert len(said) == 1
    assert (await fp.get(device_id))["reference_id"] == "R-1"


async def test_lists_hold_nothing_of_another_workspace_or_mode(fp, device_id):
    for key in (fp.foreign_key, fp.test_key, await fp.token(fp.test_key)):
        for query in ({}, {"reference_id": "R-1"}, {"reference_id": device_id}):
            assert await fp.ids(key=key, **query) == []


async def test_a_reference_is_another_workspaces_to_use(fp, device_id):
    made = await fp.make("R-1", key=fp.foreign_key)
    assert made["account_id"] == fp.foreign_id
    assert await fp.ids(reference_id="R-1") == [device_id]


async def test_the_scheme_is_bearer_in_any_case_and_no_other(fp):
    for scheme, status in (("bearer", 200), ("BEARER", 200), ("Basic", 403), ("Token", 403)):
        headers = {"Authorization": f"{scheme} {fp.key}"}
        answer = await fp.client.get("/devices", headers=headers)
        assert answer.status_code == status
