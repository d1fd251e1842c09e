"""Live and test: what is made in one mode is not there in the other."""

import itertools

from dialects.flatpeak_kit import refused

NONE = {"object": "list", "url": "/devices", "has_more": False, "data": []}


async def test_neither_mode_sees_changes_or_ends_what_is_of_the_other(fp):
    keys = {
        True: [fp.key, await fp.token(fp.key)],
        False: [fp.test_key, await fp.token(fp.test_key)],
    }
    for live in (True, False):
        made = await fp.make("R-1", key=keys[live][0])
        assert made["live_mode"] is live
        path = f"/devices/{made['id']}"
        for key in keys[not live]:
            for answer in (
                await fp.ask("GET", path, key=key),
                await fp.change(made["id"], "mine", key=key),
                await fp.ask("DELETE", path, key=key),
            ):
                refused(answer, 404, "not_found", live=not live)
            for query in ({}, {"reference_id": "R-1"}, {"reference_id": made["id"]}):
                assert made["id"] not in await fp.ids(key=key, **query)
        for key in keys[live]:
            assert await fp.get(made["id"], key=key) == made
            assert (await fp.page(key=key))["data"] == [made]


async def test_each_mode_has_its_own_references(fp):
    both = (fp.key, fp.test_key)
    first = [await fp.make("R-1", key=key) for key in both]
    second = [await fp.make(key=key) for key in both]
    for key, live, one in zip(both, (True, False), second, strict=True):
        taken = await fp.ask("POST", "/devices", json={"reference_id": "R-1"}, key=key)
        refused(taken, 409, "duplicate_reference", live=live)
        refused(await fp.change(one["id"], "R-1", key=key), 409, live=live)
    await fp.ask("DELETE", f"/devices/{first[0]['id']}")
    await fp.make("R-1")
    assert await fp.ids(reference_id="R-1", key=fp.test_key) == [first[1]["id"]]


async def test_a_cursor_of_the_other_mode_shows_nothing_of_it(fp):
    made = {live: [] for live in (True, False)}
    for live in itertools.islice(itertools.cycle((True, False)), 6):
        made[live].append((await fp.make(key=fp.key if live else fp.test_key))["id"])
    foreign = made[False][1]
    assert await fp.ids(starting_after=foreign) == [made[True][1], made[True][0]]
    assert await fp.ids(ending_before=foreign) == [made[True][2]]


async def test_an_idempotency_key_is_of_one_mode(fp):
    headers = {"Idempotency-Key": "k-1"}
    body = {"reference_id": "R-1"}
    live = await fp.ask("POST", "/devices", json=body, headers=headers)
    test = await fp.ask("POST", "/devices", json=body, headers=headers, key=fp.test_key)
    assert (live.json()["live_mode"], test.json()["live_mode"]) == (True, False)
    assert live.json()["id"] != test.json()["id"]


async def test_an_empty_mode_is_empty(fp):
    await fp.make("R-1")
    assert await fp.page(key=fp.test_key) == NONE
