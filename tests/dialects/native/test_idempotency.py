"""``Idempotency-Key``: one request, however often it is sent."""

import asyncio

from dialects.native_kit import on_sqlite, problem_of


async def post(api, path: str, key: str, body, *, auth: str | None = None):
    headers = {**api.auth(auth), "Idempotency-Key": key}
    return await api.client.post(path, json=body, headers=headers)


async def names(api) -> list[str]:
    return sorted(one["name"] for one in (await api.read("/v1/devices"))["data"])


async def test_a_repeat_is_answered_as_the_first_time_without_its_secrets(api):
    first = await post(api, "/v1/devices", "k-1", {"name": "once"})
    again = await post(api, "/v1/devices", "k-1", {"name": "once"})
    assert first.status_code == again.status_code == 201
    told, replayed = first.json(), again.json()
    assert replayed.pop("replayed") is True
    for secret in ("install_token", "install_command"):
        assert told.pop(secret)
        assert secret not in replayed
    assert replayed == told
    assert await names(api) == ["once"]


async def test_a_replayed_key_does_not_show_its_text(api):
    first = await post(api, "/v1/api-keys", "k-1", {"name": "robot"})
    again = await post(api, "/v1/api-keys", "k-1", {"name": "robot"})
    assert first.json()["key"] not in again.text
    assert again.json()["id"] == first.json()["id"]


async def test_a_replayed_install_token_is_not_shown(api):
    made = await api.make()
    path = f"/v1/devices/{made['id']}/install"
    first = await post(api, path, "k-1", {"expires_in_s": 600})
    again = await post(api, path, "k-1", {"expires_in_s": 600})
    assert first.json()["install_token"] not in again.text
    assert again.json() == {"expires_at": first.json()["expires_at"], "replayed": True}
    await api.enroll({"id": made["id"], **first.json()})


async def test_another_body_or_address_under_the_same_key_is_refused(api):
    made = await api.make("camera")
    await post(api, "/v1/devices", "k-1", {"name": "once"})
    problem_of(await post(api, "/v1/devices", "k-1", {"name": "b"}), 422, "idempotency_key_reused")
    other = await post(api, f"/v1/devices/{made['id']}/install", "k-1", {"name": "once"})
    problem_of(other, 422, "idempotency_key_reused")
    assert await names(api) == ["camera", "once"]


async def test_of_two_at_once_one_does_the_work_and_both_are_answered(api):
    answers = await asyncio.gather(
        *(post(api, "/v1/devices", "k-1", {"name": "once"}) for _ in range(10))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("install_token" in answer.json() for answer in answers) == 1
    assert await names(api) == ["once"]


async def test_two_keys_do_not_share_their_answers(api):
    other = await api.key("device:update", "device:read")
    mine = await post(api, "/v1/devices", "k-1", {"name": "mine"})
    theirs = await post(api, "/v1/devices", "k-1", {"name": "theirs"}, auth=other["key"])
    assert theirs.status_code == 201
    assert mine.json()["id"] != theirs.json()["id"]


async def test_a_refused_request_leaves_the_key_free(api):
    await post(api, "/v1/devices", "k-0", {"name": "a", "reference": "taken"})
    body = {"name": "b", "reference": "taken"}
    assert (await post(api, "/v1/devices", "k-1", body)).status_code == 409
    made = await post(api, "/v1/devices", "k-1", {"name": "b", "reference": "free"})
    assert made.status_code == 201


@on_sqlite
async def test_a_key_is_1_to_255_printable_characters(api):
    for key in ("", "a" * 256, "a\x01b", "a\xa0b"):
        headers = {**api.auth(), "Idempotency-Key": key.encode("latin-1")}
        answer = await api.client.post("/v1/devices", json={"name": "a"}, headers=headers)
        problem_of(answer, 422, "idempotency_key_invalid")
    assert (await post(api, "/v1/devices", "a" * 255, {"name": "a"})).status_code == 201
