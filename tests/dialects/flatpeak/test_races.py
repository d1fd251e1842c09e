"""One reference wanted by many at once: the database decides, and one has it."""

import asyncio

from dialects.flatpeak_kit import refused
from support.senders import column

MANY = 200


async def test_of_two_hundred_devices_made_at_once_with_one_reference_one_is_made(fp):
    keys = [fp.key, await fp.token()]
    body = {"reference_id": "R-1"}
    answers = await asyncio.gather(
        *(fp.ask("POST", "/devices", json=body, key=keys[n % 2]) for n in range(MANY))
    )
    made = [answer.json() for answer in answers if answer.status_code == 201]
    assert len(made) == 1
    others = [answer for answer in answers if answer.status_code != 201]
    assert len(others) == MANY - 1
    for answer in others:
        refused(answer, 409, "duplicate_reference", context="api.device_create")
    assert (await fp.page())["data"] == made
    # What was refused left nothing behind.
    assert await column(fp.db, "SELECT id FROM devices") == [made[0]["id"]]
    recorded = "SELECT entity_id FROM audit_entries WHERE action = 'device.created'"
    assert await column(fp.db, recorded) == [made[0]["id"]]


async def test_of_many_devices_that_change_to_one_reference_at_once_one_has_it(fp):
    fleet = [await fp.make() for _ in range(20)]
    answers = await asyncio.gather(
        *(fp.change(one["id"], "R-1") for one in fleet),
        *(fp.ask("POST", "/devices", json={"reference_id": "R-1"}) for _ in range(20)),
    )
    assert sorted(answer.status_code in (200, 201) for answer in answers) == [False] * 39 + [True]
    for answer in answers:
        if not answer.is_success:
            refused(answer, 409, "duplicate_reference")
    assert len(await fp.ids(reference_id="R-1")) == 1


async def test_both_modes_can_take_a_reference_at_once(fp):
    body = {"reference_id": "R-1"}
    answers = await asyncio.gather(
        *(fp.ask("POST", "/devices", json=body, key=key) for key in (fp.key, fp.test_key) * 10)
    )
    made = [answer.json()["live_mode"] for answer in answers if answer.status_code == 201]
    assert sorted(made) == [False, True]


async def test_of_many_who_end_a_device_at_once_one_does(fp):
    made = await fp.make("R-1")
    path = f"/devices/{made['id']}"
    answers = await asyncio.gather(*(fp.ask("DELETE", path) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [202] + [404] * 19
