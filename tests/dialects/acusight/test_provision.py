"""A token in, a device and its key out: the order of checks, and exactly one winner."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from dialects.acusight_kit import TIME, UUID, data_of, error_of, on_sqlite
from moorage.kit.ids import key_text_prefix, new_key_text
from support.senders import column

INFO = {
    "name": "Edge Camera 1",
    "hardware_id": "RPi4-8GB-v1.4",
    "mac_address": "00:1A:2B:3C:4D:5E",
    "ip_address": "192.168.1.100",
    "agent_version": "1.0.0",
}


async def use_count(api, made) -> int:
    listed = data_of(await api.call("GET", "/provisioning-tokens"))
    return next(one["use_count"] for one in listed if one["id"] == made["id"])


async def test_a_device_gets_a_key_and_its_own_id_back(api):
    made = await api.token(tags=["site=7"], device_type="camera")
    data = data_of(await api.provision(made["token"], "docker-abc123", **INFO), 201)
    assert set(data) == {"device_id", "endpoint_id", "api_key", "api_endpoint"}
    assert data["device_id"] == data["endpoint_id"] == "docker-abc123"
    assert key_text_prefix(data["api_key"]) == "adk"
    assert data["api_endpoint"] == "http://moorage.test"
    shown = data_of(await api.call("GET", "/devices/docker-abc123"))
    assert {name: shown[name] for name in INFO} == INFO
    assert (shown["tags"], shown["device_type"]) == (["site=7"], "camera")
    assert (shown["status"], shown["connection"]) == ("approved", "never_seen")
    assert TIME.fullmatch(shown["last_seen_at"])
    assert await use_count(api, made) == 1


async def test_the_address_of_the_server_is_never_taken_from_the_request(api):
    made = await api.token()
    body = {"token": made["token"], "device_info": {"device_id": "box-1"}}
    answer = await api.client.post(
        "/api/devices/provision", json=body, headers={"Host": "evil.example"}
    )
    assert data_of(answer, 201)["api_endpoint"] == "http://moorage.test"


async def test_without_a_name_a_device_is_called_by_its_id(api):
    await api.device("box-9")
    assert data_of(await api.call("GET", "/devices/box-9"))["name"] == "box-9"


async def test_both_base_paths_are_one_api(api):
    made = await api.token()
    body = {"token": made["token"], "device_info": {"device_id": "box-1"}}
    answer = await api.client.post("/api/core/devices/provision", json=body)
    key = data_of(answer, 201)["api_key"]
    for base in ("/api", "/api/core"):
        headers = {"X-Device-Key": key}
        found = await api.client.get(f"{base}/device/self", headers=headers)
        assert data_of(found)["device_id"] == "box-1"


@on_sqlite
@pytest.mark.parametrize(
    ("info", "where"),
    [
        (None, "/device_info"),
        ({}, "/device_info/device_id"),
        ({"device_id": ""}, "device_id"),
        ({"device_id": "a b"}, "device_id"),
        ({"device_id": "x" * 129}, "device_id"),
        ({"device_id": "dev_" + "0" * 24}, "device_id"),
        ({"device_id": 5}, "device_id"),
        ({"device_id": "box", "hardware_id": "x" * 129}, "/device_info/hardware_id"),
        ({"device_id": "box", "mac_address": "a\u0007"}, "/device_info/mac_address"),
        ({"device_id": "box", "name": ""}, "/device_info/name"),
    ],
)
async def test_a_bad_body_is_refused_before_its_token_is_looked_at(api, info, where):
    for token in ((await api.token())["token"], "garbage"):
        body = {"token": token} | ({} if info is None else {"device_info": info})
        error = error_of(
            await api.client.post("/api/devices/provision", json=body), 400, "VALIDATION_ERROR"
        )
        assert where in error["details"]
    assert await column(api.running.db, "SELECT id FROM devices") == []


async def test_a_bad_token_is_refused_before_the_device_is_looked_for(api):
    await api.device("box-1")
    revoked = await api.token()
    await api.call("DELETE", f"/provisioning-tokens/{revoked['id']}")
    used = await api.token(single_use=True)
    data_of(await api.provision(used["token"], "box-2"), 201)
    for text in (new_key_text("apt"), new_key_text("inst"), "x", revoked["token"], used["token"]):
        error_of(await api.provision(text, "box-1"), 401, "INVALID_TOKEN")


async def test_a_token_past_its_time_says_so(api):
    made = await api.token(expires_in_days=1)
    old = (datetime.now(UTC) - timedelta(minutes=1)).timestamp() * 1000
    await execute(api, f"UPDATE provisioning_tokens SET expires_at = {int(old)}")
    error_of(await api.provision(made["token"]), 401, "TOKEN_EXPIRED")


async def execute(api, text: str) -> None:
    async with api.running.db.write() as tx:
        await tx.run(sa.text(text))


async def test_known_hardware_is_409_and_spends_nothing(api):
    made = await api.token(max_uses=2)
    data_of(await api.provision(made["token"]), 201)
    error_of(await api.provision(made["token"]), 409, "DEVICE_EXISTS")
    assert await use_count(api, made) == 1
    data_of(await api.provision(made["token"], "box-2"), 201)
    error_of(await api.provision(made["token"], "box-3"), 401, "INVALID_TOKEN")


async def test_of_a_thousand_claims_of_a_single_use_token_one_wins(api):
    made = await api.token(single_use=True)

    async def claim(name):
        for _ in range(100):
            answer = await api.provision(made["token"], name)
            if answer.status_code != 503:  # nothing was changed, and it says to try again
                break
            await asyncio.sleep(0.2)
        return answer

    answers = await asyncio.gather(*(claim(f"box-{at}") for at in range(1000)))
    winners = [answer for answer in answers if answer.status_code == 201]
    assert len(winners) == 1
    for answer in answers:
        if answer not in winners:
            error_of(answer, 401, "INVALID_TOKEN")
    assert len(await column(api.running.db, "SELECT id FROM devices")) == 1
    assert len(await column(api.running.db, "SELECT id FROM keys WHERE device_id IS NOT NULL")) == 1
    assert await use_count(api, made) == 1


async def test_fifty_clones_of_one_image_leave_one_device_and_49_noted_refusals(api):
    made = await api.token()
    answers = await asyncio.gather(*(api.provision(made["token"]) for _ in range(50)))
    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(201), statuses.count(409)) == (1, 49)
    shown = data_of(await api.call("GET", "/devices/box-1"))
    assert TIME.fullmatch(shown["clone_suspected_at"])
    refused = "SELECT reason FROM install_attempts WHERE outcome = 'refused'"
    assert len(await column(api.running.db, refused)) == 49
    flagged = "SELECT event FROM events WHERE event = 'device.clone_suspected'"
    assert len(await column(api.running.db, flagged)) == 1
    winner = next(answer for answer in answers if answer.status_code == 201)
    key = data_of(winner, 201)["api_key"]
    assert (await api.as_device("POST", "/device/checkin", key, json={})).status_code == 200


async def test_released_hardware_gets_a_new_key_for_its_record(api):
    made = await api.token()
    first = data_of(await api.provision(made["token"]), 201)
    error_of(await api.provision(made["token"]), 409, "DEVICE_EXISTS")
    before = data_of(await api.call("POST", "/devices/box-1/release"))
    second = data_of(await api.provision(made["token"]), 201)
    after = data_of(await api.call("GET", "/devices/box-1"))
    assert after["id"] == before["id"]
    assert after["clone_suspected_at"] is None
    assert after["released_at"] is None
    error_of(await api.as_device("GET", "/device/self", first["api_key"]), 401, "UNAUTHORIZED")
    data_of(await api.as_device("GET", "/device/self", second["api_key"]))
    error_of(await api.provision(made["token"]), 409, "DEVICE_EXISTS")


async def test_a_deleted_devices_id_is_free_again(api):
    key = await api.device()
    data_of(await api.call("DELETE", "/devices/box-1"))
    error_of(await api.as_device("GET", "/device/self", key), 410, "GONE")
    await api.device()


async def test_the_same_id_may_be_used_in_each_mode_and_is_of_the_tokens(api):
    test_key = api.running.test_key
    await api.device("box-1")
    made = await api.token(key=test_key)
    data_of(await api.provision(made["token"], "box-1"), 201)
    live = data_of(await api.call("GET", "/devices/box-1"))
    test = data_of(await api.call("GET", "/devices/box-1", key=test_key))
    assert (live["live_mode"], test["live_mode"]) == (True, False)
    assert live["id"] != test["id"]


async def test_the_key_is_kept_as_a_digest_only(api):
    key = await api.device()
    dump = await column(api.running.db, "SELECT digest FROM keys WHERE device_id IS NOT NULL")
    assert len(dump) == 1
    assert key not in str(dump)


async def test_a_token_is_made_with_a_line_to_paste_and_shown_without_its_text(api):
    made = await api.token(expires_in_days=None)
    assert UUID.fullmatch(made["id"])
    assert made["expires_at"] is None
    line = made["setup_command"]
    assert line == f"curl -fsSL http://moorage.test/setup | sudo sh -s -- {made['token']}"
    listed = await api.call("GET", "/provisioning-tokens")
    assert made["token"] not in listed.text
    assert data_of(listed)[0]["id"] == made["id"]
    assert listed.json()["meta"] == {"count": 1, "limit": 50, "offset": 0, "total": 1}


async def test_tokens_are_listed_newest_first_in_counted_pages(api):
    for at in range(5):
        await api.token(name=f"t{at}")
    listed = await api.call("GET", "/provisioning-tokens", params={"limit": 2, "offset": 1})
    assert [one["name"] for one in data_of(listed)] == ["t3", "t2"]
    assert listed.json()["meta"] == {"count": 2, "limit": 2, "offset": 1, "total": 5}


async def test_a_token_is_revoked_once(api):
    made = await api.token()
    path = f"/provisioning-tokens/{made['id']}"
    revoked = data_of(await api.call("DELETE", path))
    assert revoked["id"] == made["id"]
    assert TIME.fullmatch(revoked["revoked_at"])
    error_of(await api.call("DELETE", path), 400, "VALIDATION_ERROR")
    error_of(await api.call("DELETE", "/provisioning-tokens/x"), 400, "VALIDATION_ERROR")
    absent = await api.call("DELETE", f"/provisioning-tokens/{uuid.UUID(int=7)}")
    error_of(absent, 404, "NOT_FOUND")


@on_sqlite
@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"name": ""}, "/name"),
        ({"name": 5}, "/name"),
        ({"expires_in_days": 0}, "/expires_in_days"),
        ({"expires_in_days": "30"}, "/expires_in_days"),
        ({"single_use": "yes"}, "/single_use"),
        ({"max_uses": 0}, "/max_uses"),
        ({"policy": "replace"}, "/policy"),
        ({"tags": [" "]}, "/tags/0"),
    ],
)
async def test_a_token_that_cannot_be_made_is_refused(api, fields, where):
    answer = await api.call("POST", "/provisioning-tokens", json={"name": "t", **fields})
    assert where in error_of(answer, 400, "VALIDATION_ERROR")["details"]
