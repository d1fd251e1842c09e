"""``POST /v1/enroll``: a token in, a device and its key out."""

import asyncio
import secrets

import pytest
import sqlalchemy as sa

from dialects.native_kit import mistyped, on_sqlite, pointers_of, problem_of
from moorage.kit.ids import new_key_text


async def enroll(api, **body):
    return await api.client.post("/v1/enroll", json=body)


@on_sqlite
async def test_a_device_that_proposes_no_key_is_given_one(api):
    made = await api.make()
    answer = await enroll(api, install_token=made["install_token"])
    told = answer.json()
    assert answer.status_code == 200
    assert told.pop("device_key").startswith("adk_")
    assert told == {
        "device_id": made["id"],
        "workspace": "acme",
        "server": "http://moorage.test",
        "report_interval_s": 30,
        "config_revision": 1,
    }


@on_sqlite
async def test_a_proposed_key_works_and_is_not_sent_back(api):
    made, key = await api.make(), new_key_text("adk")
    answer = await enroll(api, install_token=made["install_token"], device_key=key)
    assert answer.status_code == 200
    assert key not in answer.text
    assert "device_key" not in answer.json()
    assert (await api.report(key)).status_code == 200


async def test_a_lost_answer_costs_nothing_to_who_proposed_a_key(api):
    made, key = await api.make(), new_key_text("adk")
    answers = await asyncio.gather(
        *(enroll(api, install_token=made["install_token"], device_key=key) for _ in range(5))
    )
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert (await api.report(key)).status_code == 200


async def test_a_spent_token_with_another_key_or_none_is_refused(api):
    device = await api.enroll()
    for more in ({}, {"device_key": new_key_text("adk")}, {"device_key": device.key}):
        answer = await enroll(api, install_token=device.install_token, **more)
        if more.get("device_key") == device.key:
            assert answer.status_code == 200, "the key it got may be proposed as well"
        else:
            problem_of(answer, 401, "token_invalid")
    assert (await api.report(device)).status_code == 200


async def test_of_many_at_once_only_one_gets_the_device(api):
    made = await api.make()
    keys = [new_key_text("adk") for _ in range(20)]
    answers = await asyncio.gather(
        *(enroll(api, install_token=made["install_token"], device_key=key) for key in keys)
    )
    assert sorted(answer.status_code for answer in answers) == [200, *[401] * 19]
    reports = await asyncio.gather(*(api.report(key) for key in keys))
    assert sorted(report.status_code for report in reports) == [200, *[401] * 19]


async def test_a_token_that_is_none_is_refused(api):
    made = await api.make()
    for token in (
        *("", "x", "inst_", "ä", mistyped(made["install_token"]), new_key_text("inst")),
        *(api.running.live_key, new_key_text("adk"), made["install_token"].upper()),
    ):
        problem_of(await enroll(api, install_token=token), 401, "token_invalid")
    assert (await enroll(api, install_token=made["install_token"])).status_code == 200


@on_sqlite
async def test_a_newer_token_voids_the_older_one(api):
    made = await api.make()
    fresh = await api.client.post(f"/v1/devices/{made['id']}/install", headers=api.auth())
    problem_of(await enroll(api, install_token=made["install_token"]), 401, "token_invalid")
    assert (await enroll(api, install_token=fresh.json()["install_token"])).status_code == 200


async def test_an_expired_token_is_refused_but_answered_again_to_the_key_that_redeemed_it(api):
    late, early, key = await api.make(), await api.make(), new_key_text("adk")
    assert (
        await enroll(api, install_token=early["install_token"], device_key=key)
    ).status_code == 200
    await _expire_all_tokens(api)
    problem_of(await enroll(api, install_token=late["install_token"]), 401, "token_expired")
    again = await enroll(api, install_token=early["install_token"], device_key=key)
    assert again.status_code == 200


async def _expire_all_tokens(api) -> None:
    async with api.running.db.write() as tx:
        await tx.run(sa.text("UPDATE install_tokens SET expires_at = created_at - 1"))


@on_sqlite
async def test_a_provisioning_token_nobody_made_is_refused_as_invalid(api):
    device = {"device_id": "serial-1", "name": "camera"}
    for token in (new_key_text("apt"), "apt_x", "x"):
        answer = await enroll(api, provisioning_token=token, device=device)
        problem_of(answer, 401, "token_invalid")


@on_sqlite
async def test_an_install_token_is_no_provisioning_token(api):
    made = await api.make()
    hardware = {"device_id": "box-1"}
    answer = await enroll(api, provisioning_token=made["install_token"], device=hardware)
    problem_of(answer, 401, "token_invalid")
    assert (await enroll(api, install_token=made["install_token"])).status_code == 200


@on_sqlite
async def test_exactly_one_token_is_to_be_sent(api):
    made = await api.make()
    both = {"install_token": made["install_token"], "provisioning_token": new_key_text("apt")}
    for body in ({}, both, {"install_token": None}):
        assert pointers_of(problem_of(await enroll(api, **body), 422)) == ["/install_token"]
    assert (await enroll(api, install_token=made["install_token"])).status_code == 200


@on_sqlite
async def test_a_key_that_cannot_be_a_devices_is_refused_and_the_token_stays_good(api):
    made = await api.make()
    good = new_key_text("adk")
    for key in (
        *("", "adk_", "x", mistyped(good), good.upper(), good + "0", " " + good),
        *("adk_" + secrets.token_hex(24), new_key_text("sk_live"), api.running.live_key),
    ):
        answer = await enroll(api, install_token=made["install_token"], device_key=key)
        assert pointers_of(problem_of(answer, 422)) == ["/device_key"], key
    answer = await enroll(api, install_token=made["install_token"], device_key=good)
    assert answer.status_code == 200


async def test_a_key_another_device_has_is_refused_and_the_token_stays_good(api):
    device, made = await api.enroll(), await api.make()
    answer = await enroll(api, install_token=made["install_token"], device_key=device.key)
    problem_of(answer, 409, "device_key_taken")
    assert (await enroll(api, install_token=made["install_token"])).status_code == 200


@on_sqlite
async def test_what_a_device_tells_of_itself_is_kept(api):
    made = await api.make("as the owner named it")
    device = {"device_id": "d", "name": "n", "hostname": "cam-7", "agent_version": "1.2", "x": 1}
    await enroll(api, install_token=made["install_token"], device=device)
    read = await api.read(f"/v1/devices/{made['id']}")
    assert read["facts"] == {"hostname": "cam-7", "agent_version": "1.2"}
    assert read["name"] == "as the owner named it"


async def test_a_devices_mode_is_that_of_the_key_that_made_it(api):
    made = await api.make(key=api.running.test_key)
    device = await api.enroll(made)
    assert (await api.report(device)).status_code == 200
    read = await api.read(f"/v1/devices/{made['id']}", key=api.running.test_key)
    assert read["live_mode"] is False
    problem_of(await api.client.get(f"/v1/devices/{made['id']}", headers=api.auth()), 404)


@on_sqlite
async def test_the_token_of_a_retired_device_is_refused(api):
    made = await api.make()
    await api.client.delete(f"/v1/devices/{made['id']}", headers=api.auth())
    problem_of(await enroll(api, install_token=made["install_token"]), 401, "token_invalid")


@on_sqlite
@pytest.mark.parametrize("seconds", [59, 0, -1, 30 * 86_400 + 1, "600", 600.5])
async def test_a_fresh_token_lives_a_minute_to_thirty_days(api, seconds):
    made = await api.make()
    answer = await api.client.post(
        f"/v1/devices/{made['id']}/install", json={"expires_in_s": seconds}, headers=api.auth()
    )
    assert pointers_of(problem_of(answer, 422)) == ["/expires_in_s"]
