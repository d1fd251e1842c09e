"""Provisioning tokens: one for many devices, each making its own record."""

import asyncio

import pytest

from dialects.native_kit import Api, on_sqlite, pointers_of, problem_of
from moorage.kit.ids import new_key_text


async def token(api: Api, **fields) -> dict:
    made = await api.client.post(
        "/v1/provisioning-tokens", json={"name": "many", **fields}, headers=api.auth()
    )
    assert made.status_code == 201, made.text
    return made.json()


async def enroll(api: Api, made: dict, device_id: str = "box-1", **fields):
    body = {"provisioning_token": made["token"], "device": {"device_id": device_id}, **fields}
    return await api.client.post("/v1/enroll", json=body)


async def device_of(api: Api, answer) -> dict:
    assert answer.status_code == 200, answer.text
    return await api.read(f"/v1/devices/{answer.json()['device_id']}")


async def test_each_device_gets_its_own_record_with_what_the_token_gives(api):
    made = await token(api, tags=["site=7"], type="camera")
    named = await enroll(
        api, made, device={"device_id": "box-1", "name": "Camera 1", "hostname": "h"}
    )
    found = await device_of(api, named)
    assert (found["name"], found["external_id"], found["type"]) == ("Camera 1", "box-1", "camera")
    assert (found["tags"], found["facts"]["hostname"]) == (["site=7"], "h")
    plain = await device_of(api, await enroll(api, made, "box-2"))
    assert plain["name"] == "box-2"
    assert (await api.report(named.json()["device_key"])).status_code == 200
    shown = await api.read(f"/v1/provisioning-tokens/{made['id']}")
    assert shown["use_count"] == 2
    assert shown["last_used_at"]
    assert "token" not in shown


async def test_a_device_is_of_the_tokens_mode(api):
    made = await api.client.post(
        "/v1/provisioning-tokens", json={"name": "t"}, headers=api.auth(api.running.test_key)
    )
    answer = await enroll(api, made.json())
    path = f"/v1/devices/{answer.json()['device_id']}"
    problem_of(await api.client.get(path, headers=api.auth()), 404, "not_found")
    assert (await api.read(path, key=api.running.test_key))["live_mode"] is False


async def test_a_lost_answer_is_given_again_even_when_the_token_is_over(api):
    made = await token(api, single_use=True)
    key = new_key_text("adk")
    first = await enroll(api, made, device_key=key)
    await api.client.delete(f"/v1/provisioning-tokens/{made['id']}", headers=api.auth())
    again = await enroll(api, made, device_key=key)
    assert (again.status_code, again.json()) == (200, first.json())
    other = await enroll(api, made, "box-2", device_key=new_key_text("adk"))
    problem_of(other, 401, "token_invalid")


@pytest.mark.parametrize("fields", [{"single_use": True}, {"max_uses": 3}])
async def test_of_many_at_once_as_many_enrol_as_the_token_allows(api, fields):
    made = await token(api, **fields)
    answers = await asyncio.gather(*(enroll(api, made, f"box-{at}") for at in range(30)))
    statuses = [answer.status_code for answer in answers]
    allowed = fields.get("max_uses", 1)
    assert statuses.count(200) == allowed
    assert statuses.count(401) == 30 - allowed
    assert len((await api.read("/v1/devices"))["data"]) == allowed


async def test_known_hardware_is_refused_and_spends_nothing(api):
    made = await token(api, max_uses=2)
    first = await enroll(api, made)
    problem_of(await enroll(api, made), 409, "device_exists")
    assert (await api.read(f"/v1/provisioning-tokens/{made['id']}"))["use_count"] == 1
    assert (await api.report(first.json()["device_key"])).status_code == 200
    assert (await enroll(api, made, "box-2")).status_code == 200


async def test_replace_keeps_the_record_and_locks_the_old_key_out(api):
    first = await enroll(api, await token(api))
    second = await enroll(api, await token(api, single_use=True, policy="replace"))
    assert second.json()["device_id"] == first.json()["device_id"]
    problem_of(await api.report(first.json()["device_key"]), 401, "key_invalid")
    assert (await api.report(second.json()["device_key"])).status_code == 200
    events = await api.read(f"/v1/devices/{first.json()['device_id']}/events")
    assert "device.replaced" in [event["event"] for event in events["data"]]


async def test_new_makes_another_record_and_takes_id_and_key_from_the_old_one(api):
    first = await enroll(api, await token(api))
    second = await enroll(api, await token(api, policy="new"))
    assert second.json()["device_id"] != first.json()["device_id"]
    assert (await device_of(api, first))["external_id"] is None
    assert (await device_of(api, second))["external_id"] == "box-1"
    problem_of(await api.report(first.json()["device_key"]), 401, "key_invalid")


async def test_a_deleted_devices_hardware_may_come_back(api):
    made = await token(api)
    first = await enroll(api, made)
    await api.client.delete(f"/v1/devices/{first.json()['device_id']}", headers=api.auth())
    assert (await enroll(api, made)).status_code == 200


async def test_fifty_at_once_with_one_id_make_one_device(api):
    made = await token(api)
    answers = await asyncio.gather(*(enroll(api, made) for _ in range(50)))
    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(200), statuses.count(409)) == (1, 49)
    assert (await api.read(f"/v1/provisioning-tokens/{made['id']}"))["use_count"] == 1
    (device,) = (await api.read("/v1/devices"))["data"]
    assert device["clone_suspected_at"]
    path = f"/v1/devices/{device['id']}"
    attempts = (await api.read(f"{path}/attempts"))["data"]
    assert [one["outcome"] for one in attempts] == ["refused"] * 49
    happened = [event["event"] for event in (await api.read(f"{path}/events"))["data"]]
    assert happened.count("device.clone_suspected") == 1


async def test_a_refused_copy_leaves_a_bounded_trace(api):
    made = await token(api)
    first = await enroll(api, made)
    for _ in range(60):
        problem_of(await enroll(api, made), 409, "device_exists")
    attempts = await api.read(f"/v1/devices/{first.json()['device_id']}/attempts")
    assert len(attempts["data"]) == 50


async def change(api: Api, answer, **fields) -> dict:
    changed = await api.client.patch(
        f"/v1/devices/{answer.json()['device_id']}", json=fields, headers=api.auth()
    )
    assert changed.status_code == 200, changed.text
    return changed.json()


async def release(api: Api, answer):
    path = f"/v1/devices/{answer.json()['device_id']}/release"
    return await api.client.post(path, headers=api.auth())


async def test_released_hardware_comes_back_to_its_record_once_whatever_the_token_says(api):
    made = await token(api)
    first = await enroll(api, made)
    problem_of(await enroll(api, made), 409, "device_exists")
    assert (await release(api, first)).json()["released_at"]
    assert (await api.report(first.json()["device_key"])).status_code == 200
    answers = await asyncio.gather(*(enroll(api, made) for _ in range(10)))
    (second,) = [answer for answer in answers if answer.status_code == 200]
    assert [answer.status_code for answer in answers].count(409) == 9
    assert second.json()["device_id"] == first.json()["device_id"]
    problem_of(await api.report(first.json()["device_key"]), 401, "key_invalid")
    assert (await api.report(second.json()["device_key"])).status_code == 200
    assert (await device_of(api, second))["released_at"] is None
    assert (await api.read(f"/v1/provisioning-tokens/{made['id']}"))["use_count"] == 2


async def test_a_device_that_brought_no_id_cannot_be_released(api):
    made = await api.client.post("/v1/devices", json={"name": "x"}, headers=api.auth())
    path = f"/v1/devices/{made.json()['id']}/release"
    problem_of(await api.client.post(path, headers=api.auth()), 409, "no_external_id")


@pytest.mark.parametrize("approval", ["rejected", "pending"])
async def test_a_device_that_is_not_approved_is_shut_out_until_it_is(api, approval):
    first = await enroll(api, await token(api))
    assert (await change(api, first, approval=approval))["approval"] == approval
    problem_of(await api.report(first.json()["device_key"]), 401, "key_invalid")
    for policy in ({}, {"policy": "new"}, {"policy": "replace", "single_use": True}):
        problem_of(await enroll(api, await token(api, **policy)), 409, "device_exists")
    path = f"/v1/devices/{first.json()['device_id']}"
    for way in ("install", "keys/rotate", "release", "provisioning"):
        answer = await api.client.post(f"{path}/{way}", headers=api.auth())
        problem_of(answer, 409, "device_not_approved")
    await change(api, first, approval="approved")
    assert (await api.report(first.json()["device_key"])).status_code == 200


async def test_without_approval_an_install_token_that_is_out_enrols_nobody(api):
    made = await api.client.post("/v1/devices", json={"name": "x"}, headers=api.auth())
    path = f"/v1/devices/{made.json()['id']}"
    for approval in ("rejected", "approved"):
        await api.client.patch(path, json={"approval": approval}, headers=api.auth())
    body = {"install_token": made.json()["install_token"]}
    problem_of(await api.client.post("/v1/enroll", json=body), 401, "token_invalid")


async def test_a_revoked_or_unknown_token_makes_nothing(api):
    made = await token(api)
    revoked = await api.client.delete(f"/v1/provisioning-tokens/{made['id']}", headers=api.auth())
    assert revoked.json()["revoked_at"]
    problem_of(await enroll(api, made), 401, "token_invalid")
    for text in ("garbage", "", new_key_text("apt"), new_key_text("inst")):
        problem_of(await enroll(api, {"token": text}), 401, "token_invalid")
    assert (await api.read("/v1/devices"))["data"] == []


@on_sqlite
@pytest.mark.parametrize("device_id", ["", "a b", "a/b", "ü", "x" * 129, "dev_" + "0" * 24])
async def test_an_id_no_hardware_may_bring_is_refused(api, device_id):
    document = problem_of(await enroll(api, await token(api), device_id), 422, "invalid")
    assert pointers_of(document) == ["/device/device_id"]


@on_sqlite
async def test_without_an_id_of_its_own_a_device_cannot_use_a_token_for_many(api):
    made = await token(api)
    answer = await api.client.post("/v1/enroll", json={"provisioning_token": made["token"]})
    assert pointers_of(problem_of(answer, 422, "invalid")) == ["/device/device_id"]


@on_sqlite
@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"policy": "replace"}, "/policy"),
        ({"policy": "other"}, "/policy"),
        ({"max_uses": 0}, "/max_uses"),
        ({"expires_in_s": 59}, "/expires_in_s"),
        ({"tags": [""]}, "/tags/0"),
        ({"name": " "}, "/name"),
    ],
)
async def test_a_token_that_cannot_be_made_is_refused(api, fields, pointer):
    answer = await api.client.post(
        "/v1/provisioning-tokens", json={"name": "a", **fields}, headers=api.auth()
    )
    assert pointers_of(problem_of(answer, 422, "invalid")) == [pointer]


async def test_the_line_to_paste_fetches_an_installer_and_hands_the_token_to_it(api):
    made = await token(api)
    words = made["install_command"].split()
    assert words[-1] == made["token"]
    script = await api.client.get(words[2])
    assert script.status_code == 200
    assert made["token"] not in script.text


async def test_a_token_for_many_may_stand_in_an_address_as_well(api):
    made = await token(api)
    address = f"/devices/v2/{made['token']}/install.sh"
    script = await api.client.get(address)
    assert script.status_code == 200
    assert made["token"] in script.text
    await api.client.delete(f"/v1/provisioning-tokens/{made['id']}", headers=api.auth())
    assert (await api.client.get(address)).status_code == 404


async def test_tokens_are_listed_newest_first_page_by_page_without_their_texts(api):
    made = [await token(api, name=f"t{at}") for at in range(5)]
    seen, cursor = [], {}
    for _ in range(10):
        page = await api.read("/v1/provisioning-tokens", limit=2, **cursor)
        seen += [one["name"] for one in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == ["t4", "t3", "t2", "t1", "t0"]
    assert made[0]["token"] not in str(await api.read("/v1/provisioning-tokens"))
