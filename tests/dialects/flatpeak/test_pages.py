"""Pages in both directions, by the ids of devices."""

import pytest

from dialects.flatpeak_kit import ABSENT, refused
from dialects.native_kit import on_sqlite

LAST = "dev_" + "f" * 24


@pytest.fixture
async def fleet(fp) -> list[str]:
    """Ids of seven devices, newest first, among some that are not this key's to see."""
    made = []
    for number in range(7):
        made.append((await fp.make(f"R-{number}"))["id"])
        await fp.make(f"R-{number}", key=fp.test_key)
        await fp.make(f"R-{number}", key=fp.foreign_key)
    return made[::-1]


async def test_forwards_each_page_follows_the_last_one(fp, fleet):
    for limit in range(1, 9):
        seen: list[str] = []
        query: dict[str, object] = {"limit": limit}
        for _ in range(8):
            page = await fp.page(**query)
            seen += [one["id"] for one in page["data"]]
            assert page["has_more"] is (len(seen) < 7)
            assert len(page["data"]) == limit or not page["has_more"]
            if not page["has_more"]:
                break
            query["starting_after"] = seen[-1]
        assert seen == fleet


async def test_backwards_a_page_is_the_one_just_before_and_newest_first(fp, fleet):
    for limit in range(1, 9):
        seen: list[str] = []
        query: dict[str, object] = {"limit": limit, "ending_before": ABSENT}
        for _ in range(8):
            page = await fp.page(**query)
            seen = [one["id"] for one in page["data"]] + seen
            assert page["has_more"] is (len(seen) < 7)
            assert len(page["data"]) == limit or not page["has_more"]
            if not page["has_more"]:
                break
            query["ending_before"] = seen[0]
        assert seen == fleet


async def test_what_lies_before_and_after_each_device(fp, fleet):
    for at, cursor in enumerate(fleet):
        after = await fp.page(starting_after=cursor, limit=2)
        assert [one["id"] for one in after["data"]] == fleet[at + 1 : at + 3]
        assert after["has_more"] is (at + 3 < 7)
        before = await fp.page(ending_before=cursor, limit=2)
        assert [one["id"] for one in before["data"]] == fleet[max(at - 2, 0) : at]
        assert before["has_more"] is (at > 2)


async def test_beyond_the_ends_there_is_nothing(fp, fleet):
    none = {"object": "list", "url": "/devices", "has_more": False, "data": []}
    assert await fp.page(starting_after=fleet[-1]) == none
    assert await fp.page(starting_after=ABSENT) == none
    assert await fp.page(ending_before=fleet[0]) == none
    assert await fp.page(ending_before=LAST) == none
    assert await fp.ids(starting_after=LAST) == fleet


async def test_a_cursor_stays_good_when_its_device_is_gone(fp, fleet):
    await fp.ask("DELETE", f"/devices/{fleet[3]}")
    assert await fp.ids(starting_after=fleet[3], limit=1) == [fleet[4]]
    assert await fp.ids(ending_before=fleet[3], limit=1) == [fleet[2]]


async def test_devices_made_meanwhile_move_nothing(fp, fleet):
    first = await fp.ids(limit=3)
    newer = (await fp.make())["id"]
    assert await fp.ids(limit=10, starting_after=first[-1]) == fleet[3:]
    back = await fp.page(limit=10, ending_before=first[0])
    assert [one["id"] for one in back["data"]] == [newer]


async def test_a_reference_and_a_cursor_together_ask_for_both(fp, fleet):
    wanted = fleet[2]  # the fifth that was made
    for query, found in (
        ({}, [wanted]),
        ({"starting_after": fleet[1]}, [wanted]),
        ({"starting_after": wanted}, []),
        ({"ending_before": fleet[3]}, [wanted]),
        ({"ending_before": wanted}, []),
    ):
        page = await fp.page(reference_id="R-4", limit=1, **query)
        assert [one["id"] for one in page["data"]] == found, query
        assert page["has_more"] is False


@on_sqlite
async def test_a_page_holds_thirty_devices_and_a_hundred_at_most(fp):
    made = [(await fp.make())["id"] for _ in range(101)][::-1]
    usual = await fp.page()
    assert [one["id"] for one in usual["data"]] == made[:30]
    assert usual["has_more"] is True
    most = await fp.page(limit=100)
    assert [one["id"] for one in most["data"]] == made[:100]
    assert most["has_more"] is True
    assert (await fp.page(limit=100, starting_after=made[0]))["has_more"] is False


@on_sqlite
async def test_a_limit_is_an_integer_from_1_to_100(fp):
    for limit in ("1", "100", "007"):
        assert (await fp.ask("GET", "/devices", params={"limit": limit})).status_code == 200
    wrong = ("0", "101", "-1", "+1", "1.0", "1e1", "ten", "", " 1", "\u0661", "1_0", "9" * 5000)
    for limit in wrong:
        answer = await fp.ask("GET", "/devices", params={"limit": limit})
        error = refused(answer, 422, "parameter_invalid", context="api.device_list")
        assert error["message"].startswith("limit: ")


@on_sqlite
async def test_a_cursor_is_a_devices_id(fp):
    for name in ("starting_after", "ending_before"):
        for cursor in ("", "x", "dev_1", ABSENT.upper(), f"{ABSENT}0", f" {ABSENT}", "R-1", "\x00"):
            answer = await fp.ask("GET", "/devices", params={name: cursor})
            error = refused(answer, 422, "parameter_invalid", context="api.device_list")
            assert error["message"].startswith(f"{name}: ")


@on_sqlite
async def test_both_cursors_at_once_are_refused(fp):
    query = {"starting_after": ABSENT, "ending_before": ABSENT}
    answer = await fp.ask("GET", "/devices", params=query)
    assert "together" in refused(answer, 422, "parameter_invalid")["message"]


@on_sqlite
async def test_other_query_parameters_are_ignored(fp, fleet):
    assert await fp.ids(live_mode="false", offset=3, expand="x") == fleet
