"""Devices with an environment in Portainer: made after the commit, handed over, reached into."""

import asyncio
from urllib.parse import unquote

import pytest
import sqlalchemy as sa

from dialects.acusight_kit import data_of, error_of
from moorage.core import environments
from support.portainer import SECRET_VALUE, FakePortainer, Fault
from support.senders import column

DEVICES_REACH_IT = "https://portainer.example.com"


@pytest.fixture
async def fake():
    async with FakePortainer() as portainer:
        yield portainer


@pytest.fixture
def portainer() -> dict:
    return {}


@pytest.fixture
def more_settings(fake, portainer):
    return {
        "portainer": {
            "url": fake.url,
            "api_key": fake.api_key,
            "device_url": DEVICES_REACH_IT,
            "timeout_s": 1,
            **portainer,
        }
    }


required = pytest.mark.parametrize("portainer", [{"required": True}])


async def shown(api, device_id: str = "box-1") -> dict:
    return data_of(await api.call("GET", f"/devices/{device_id}"))


async def check_in(api, key: str) -> list:
    return data_of(await api.as_device("POST", "/device/checkin", key, json={}))["actions"]


async def until(true, *, tries: int = 600) -> None:
    for _ in range(tries):
        if await true():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never came true")


async def provisioned(api, device_id: str = "box-1") -> dict:
    made = await api.token()
    return data_of(await api.provision(made["token"], device_id), 201)


async def test_a_device_gets_the_key_of_its_environment_and_no_action_besides(api, fake):
    data = await provisioned(api)
    (row,) = fake.rows.values()
    found = await shown(api)
    assert row["Name"] == f"moorage-{found['id']}"
    assert (data["edge_key"], data["portainer_endpoint_id"]) == (row["EdgeKey"], row["Id"])
    assert (found["portainer"], found["portainer_endpoint_id"]) == ("ready", row["Id"])
    assert await check_in(api, data["api_key"]) == []


@pytest.mark.parametrize("fault", [Fault.ERROR_DONE, Fault.DROP_DONE])
async def test_what_was_made_before_the_answer_was_lost_is_found_again(api, fake, fault):
    fake.faults.append(fault)
    data = await provisioned(api)
    (row,) = fake.rows.values()
    assert data["edge_key"] == row["EdgeKey"]


async def test_while_portainer_is_down_devices_provision_and_get_the_key_later_once(api, fake):
    await fake.down()
    data = await provisioned(api)
    assert {"edge_key", "portainer_endpoint_id"}.isdisjoint(data)
    assert (await shown(api))["portainer"] == "pending"
    assert await check_in(api, data["api_key"]) == []
    await fake.up()
    # The rule's first pause is up to 15 s; the clock of the row is moved instead of waiting.
    await due_now(api)

    async def ready() -> bool:
        return (await shown(api))["portainer"] == "ready"

    await until(ready)
    (row,) = fake.rows.values()
    assert await check_in(api, data["api_key"]) == [
        {"type": "portainer_join", "edge_key": row["EdgeKey"]}
    ]
    assert await check_in(api, data["api_key"]) == []


async def due_now(api) -> None:
    async with api.running.db.read() as tx:
        ids = [
            row.device_id for row in await tx.rows(sa.text("SELECT device_id FROM environments"))
        ]
    for device_id in ids:  # one by one: the server changes them as well, in an order of its own
        async with api.running.db.write() as tx:
            due = sa.text(
                "UPDATE environments SET next_at = 0 WHERE device_id = :id AND next_at > 0"
            )
            await tx.run(due, {"id": device_id})
            tx.announce(environments.TOPIC)


async def test_the_vendors_agent_is_handed_the_key_as_well(api, fake):
    await fake.down()
    data = await provisioned(api)
    await fake.up()
    await due_now(api)

    async def ready() -> bool:
        return (await shown(api))["portainer"] == "ready"

    await until(ready)
    body = {"device_id": "box-1"}
    done = await api.as_device("POST", "/agent/checkin", data["api_key"], json=body)
    (action,) = done.json()["pending_actions"]
    assert action["edge_key"] == next(iter(fake.rows.values()))["EdgeKey"]


@required
async def test_where_an_environment_is_required_nothing_is_left_of_a_failure(api, fake):
    made = await api.token(single_use=True)
    await fake.down()
    answer = await api.provision(made["token"])
    error_of(answer, 503, "UNAVAILABLE")
    assert int(answer.headers["retry-after"]) > 0
    for table in ("devices", "events", "telemetry_samples"):
        assert await column(api.running.db, f"SELECT * FROM {table}") == [], table
    assert await column(api.running.db, "SELECT id FROM keys WHERE device_id IS NOT NULL") == []
    assert await column(api.running.db, "SELECT use_count FROM provisioning_tokens") == [0]
    await fake.up()
    data = data_of(await api.provision(made["token"]), 201)
    named = [row for row in fake.rows.values() if row["EdgeKey"] == data["edge_key"]]
    assert [row["Name"] for row in named] == [f"moorage-{(await shown(api))['id']}"]


@required
async def test_where_it_is_required_a_refused_device_makes_none(api, fake):
    made = await api.token(single_use=True)
    data_of(await api.provision(made["token"]), 201)
    error_of(await api.provision(made["token"], "box-2"), 401, "INVALID_TOKEN")
    other = await api.token()
    error_of(await api.provision(other["token"], "box-1"), 409, "DEVICE_EXISTS")
    assert len(fake.created) == 1
    assert (await shown(api))["portainer"] == "ready"


@required
async def test_where_it_is_required_the_losers_of_a_race_leave_no_environment(api, fake):
    made = await api.token(single_use=True)
    answers = await asyncio.gather(*(api.provision(made["token"], f"box-{at}") for at in range(10)))
    assert sorted(answer.status_code for answer in answers) == [201] + [401] * 9

    async def one_left() -> bool:
        await due_now(api)
        return len(fake.rows) == 1

    await until(one_left)
    winner = next(answer for answer in answers if answer.status_code == 201)
    assert data_of(winner, 201)["edge_key"] in fake.keys


async def test_a_deleted_devices_environment_goes_even_if_portainer_is_down_just_then(api, fake):
    await provisioned(api)
    await fake.down()
    data_of(await api.call("DELETE", "/devices/box-1"))
    await fake.up()

    async def gone() -> bool:
        await due_now(api)
        return not fake.rows

    await until(gone)


async def test_hardware_that_was_set_up_anew_gets_a_fresh_environment(api, fake):
    made = await api.token()
    first = data_of(await api.provision(made["token"]), 201)
    next(iter(fake.rows.values()))["EdgeID"] = "joined"
    data_of(await api.call("POST", "/devices/box-1/release"))
    second = data_of(await api.provision(made["token"]), 201)
    assert second["edge_key"] != first["edge_key"]
    assert [row["EdgeKey"] for row in fake.rows.values()] == [second["edge_key"]]


PROXY = "/portainer/box-1/docker"


async def test_an_owner_looks_into_the_device_and_its_secrets_stay_there(api, fake):
    await provisioned(api)
    listed = await api.call("GET", f"{PROXY}/containers/json")
    assert listed.status_code == 200, listed.text
    (container, *_) = listed.json()
    inspected = await api.call("GET", f"{PROXY}/containers/{container['Id']}/json")
    assert inspected.status_code == 200
    assert SECRET_VALUE not in inspected.text
    assert fake.api_key not in inspected.text + str(inspected.headers)
    calls = "SELECT details FROM audit_entries WHERE action = 'environment.read' ORDER BY id"
    assert await column(api.running.db, calls) == [
        '{"call":"GET containers/json"}',
        f'{{"call":"GET containers/{container["Id"]}/json"}}',
    ]


async def test_reading_opens_no_more_than_reading(api, fake):
    await provisioned(api)
    made = await api.client.post(
        "/v1/api-keys",
        json={"name": "reader", "scopes": ["device:read"]},
        headers=api.running.auth(),
    )
    reader = made.json()["key"]
    found = await api.call("GET", f"{PROXY}/containers/json", key=reader)
    assert found.status_code == 200
    before = len(fake.seen)
    for method, path in (
        ("POST", "containers/abc/exec"),
        ("POST", "containers/create"),
        ("DELETE", "containers/abc"),
        ("GET", "containers/abc/archive"),
        ("GET", "secrets"),
        ("PUT", "containers/abc/archive"),
    ):
        error = error_of(await api.call(method, f"{PROXY}/{path}", key=reader), 403, "FORBIDDEN")
        assert "portainer:manage" in error["message"]
    assert len(fake.seen) == before


@pytest.mark.parametrize(
    "path",
    [
        "../endpoints",
        "%2e%2e/endpoints",
        "containers/..%2f..%2fendpoints",
        "containers/%2E%2E/json",
        "containers%2fjson",
        "containers/%252e%252e/json",
        "containers/a%5cb/json",
        "http://169.254.169.254/",
        "/containers/json",
        "containers//json",
        "containers/a%00/json",
    ],
)
async def test_there_is_no_way_out_of_the_devices_own_environment(api, fake, path):
    await provisioned(api)
    before = len(fake.seen)
    # By hand: a client would tidy the path up before it sends it.
    answer = await raw_get(api, f"/api{PROXY}/{path}")
    assert answer in (400, 404), answer
    assert len(fake.seen) == before


async def raw_get(api, raw: str) -> int:
    """The status of a path sent as it is written."""
    statuses = []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": unquote(raw),
        "raw_path": raw.encode(),
        "query_string": b"",
        "headers": [(b"authorization", f"Bearer {api.running.live_key}".encode())],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await api.running.app(scope, receive, send)
    return statuses[0]


async def test_a_device_without_an_environment_says_so(api, fake):
    await fake.down()
    await provisioned(api)
    answer = await api.call("GET", f"{PROXY}/containers/json")
    assert "pending" in error_of(answer, 409, "CONFLICT")["message"]
    made = await api.client.post("/v1/devices", json={"name": "x"}, headers=api.running.auth())
    path = f"/portainer/{made.json()['id']}/docker/containers/json"
    error_of(await api.call("GET", path), 409, "CONFLICT")


async def test_another_workspace_or_mode_sees_no_environment(api, fake):
    await provisioned(api)
    answer = await api.call("GET", f"{PROXY}/containers/json", key=api.running.test_key)
    error_of(answer, 404, "NOT_FOUND")
