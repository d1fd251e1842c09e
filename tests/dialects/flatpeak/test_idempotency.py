"""``Idempotency-Key`` on ``POST /devices``: the first answer, as it was."""

import asyncio

from dialects.flatpeak_kit import refused
from dialects.native_kit import on_sqlite


async def post(fp, idempotency_key: str, body=None, *, key: str = ""):
    headers = {"Idempotency-Key": idempotency_key}
    more = {} if body is None else {"json": body}
    return await fp.ask("POST", "/devices", headers=headers, key=key, **more)


async def test_a_repeat_is_answered_as_the_first_time_byte_for_byte(fp):
    first = await post(fp, "k-1", {"reference_id": "R-1"})
    fp.clock.advance(hours=23, minutes=59)
    again = await post(fp, "k-1", {"reference_id": "R-1"})
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.status_code == 201
    assert again.headers["content-type"] == first.headers["content-type"]
    assert await fp.ids() == [first.json()["id"]]


async def test_the_first_answer_is_repeated_whatever_became_of_the_device(fp):
    first = await post(fp, "k-1", {"reference_id": "R-1"})
    await fp.change(first.json()["id"], "R-2")
    assert (await post(fp, "k-1", {"reference_id": "R-1"})).content == first.content
    await fp.ask("DELETE", f"/devices/{first.json()['id']}")
    assert (await post(fp, "k-1", {"reference_id": "R-1"})).content == first.content
    assert await fp.ids() == []


async def test_after_24_hours_the_key_is_new(fp):
    first = await post(fp, "k-1")
    fp.clock.advance(hours=24, seconds=1)
    second = await post(fp, "k-1")
    assert second.status_code == 201
    assert await fp.ids() == [second.json()["id"], first.json()["id"]]


async def test_the_same_key_with_another_body_is_refused(fp):
    await post(fp, "k-1", {"reference_id": "R-1"})
    for body in ({"reference_id": "R-2"}, {}, None):
        answer = await post(fp, "k-1", body)
        refused(answer, 422, "parameter_invalid", context="api.device_create")
    assert len(await fp.ids()) == 1


async def test_a_refused_request_leaves_the_key_free(fp):
    first = await fp.make("R-1")
    refused(await post(fp, "k-1", {"reference_id": "R-1"}), 409, "duplicate_reference")
    await fp.ask("DELETE", f"/devices/{first['id']}")
    assert (await post(fp, "k-1", {"reference_id": "R-1"})).status_code == 201


async def test_of_many_at_once_one_makes_the_device_and_all_are_answered_alike(fp):
    body = {"reference_id": "R-1"}
    answers = await asyncio.gather(*(post(fp, "k-1", body) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert await fp.ids() == [answers[0].json()["id"]]


@on_sqlite
async def test_a_key_and_its_tokens_are_one_sender_and_another_key_is_not(fp):
    token = await fp.token()
    own = await post(fp, "k-1", {"reference_id": "R-1"})
    assert (await post(fp, "k-1", {"reference_id": "R-1"}, key=token)).content == own.content
    other = (await fp.new_key("device:update"))["key"]
    answer = await post(fp, "k-1", {"reference_id": "R-1"}, key=other)
    refused(answer, 409, "duplicate_reference")


@on_sqlite
async def test_a_replay_asks_for_the_scope_again(fp):
    own = await fp.new_key("device:update")
    assert (await post(fp, "k-1", key=own["key"])).status_code == 201
    await fp.native("PATCH", f"/api-keys/{own['id']}", json={"scopes": ["device:read"]})
    refused(await post(fp, "k-1", key=own["key"]), 403, "access_denied")


@on_sqlite
async def test_a_key_is_1_to_255_printable_characters(fp):
    for key in ("", "a" * 256, "a\xa0b"):
        headers = {"Idempotency-Key": key.encode("latin-1")}
        answer = await fp.ask("POST", "/devices", headers=headers)
        refused(answer, 422, "parameter_invalid")
    assert (await post(fp, "a" * 255)).status_code == 201


@on_sqlite
async def test_the_native_api_does_not_answer_for_this_one(fp):
    headers = {"Idempotency-Key": "k-1"}
    await fp.native("POST", "/devices", json={"name": "a"}, headers=headers)
    refused(await post(fp, "k-1", {"name": "a"}), 422, "parameter_invalid")
