"""One change to many devices: each for itself, in steps, with what came of it in each row."""

import re

import pytest

from dialects.native_kit import on_sqlite
from moorage.console.bulk import STEP

BULK = "/console/fleet/bulk"
NEXT = re.compile(r'<input type="hidden" name="([a-z]+)" value="([^"]*)">')


async def run(console, person=None, **fields) -> list[str]:
    """Order it as the dialog does, and ask for each step that follows; the answers' texts."""
    person = person or console.owner
    answers = []
    for _ in range(50):
        answer = await person.post(BULK, fields)
        assert answer.status_code == 200, answer.text
        answers.append(answer.text)
        if 'class="bulk-next"' not in answer.text:
            return answers
        fields = {}
        begin = answer.text.index('class="bulk-next"')
        for name, value in NEXT.findall(answer.text[begin:]):
            fields.setdefault(name, []).append(value.replace("&#34;", '"').replace("&amp;", "&"))
    raise AssertionError("it does not end")


async def tags_of(api, device_id: str) -> list[str]:
    return (await api.read(f"/v1/devices/{device_id}"))["tags"]


def rows(text: str, kind: str) -> int:
    return text.count(f'<li class="{kind}">')


async def test_tags_are_added_to_those_selected_and_stay_otherwise(console, api):
    first = await api.make("gate", tags=["north"])
    second = await api.make("dock", tags=["pilot"])
    other = await api.make("yard")
    (answer,) = await run(
        console, action="tag", tags="pilot, gpu", total="2", id=[first["id"], second["id"]]
    )
    assert await tags_of(api, first["id"]) == ["north", "pilot", "gpu"]
    assert await tags_of(api, second["id"]) == ["pilot", "gpu"]
    assert await tags_of(api, other["id"]) == []
    assert rows(answer, "ok") == 2
    assert "Done: 2 of 2, 0 failed" in answer


async def test_all_that_match_are_changed_in_steps_though_they_match_no_longer(console, api):
    made = [await api.make(f"d{number:03d}", tags=["old"]) for number in range(2 * STEP + 5)]
    kept = await api.make("kept", tags=["other"])
    answers = await run(
        console, action="untag", tags="old", total=str(len(made)), all="1", query="?tag=old"
    )
    assert len(answers) == 3
    assert f"Done: {len(made)} of {len(made)}, 0 failed" in answers[-1]
    assert sum(rows(answer, "ok") for answer in answers) == len(made)
    left = await api.read("/v1/devices", tag="old")
    assert left["data"] == []
    assert await tags_of(api, kept["id"]) == ["other"]


@pytest.mark.parametrize("matching", [{}, {"attention": "1"}])
async def test_no_more_are_changed_than_were_confirmed(console, api, matching):
    """Others began to match since somebody said yes to two."""
    for number in range(4):
        device = await api.enroll(await api.make(f"d{number}"))
        await api.report(device, config={"revision": 1, "state": "failed", "error": "no"})
    fields = {"action": "delete", "total": "2", "typed": "2", "all": "1", "query": "?", **matching}
    answers = await run(console, **fields)
    assert "Done: 2 of 2, 0 failed" in answers[-1]
    assert len((await api.read("/v1/devices"))["data"]) == 2


@on_sqlite
async def test_one_that_fails_is_told_in_its_row_and_the_others_go_on(console, api):
    there = await api.make("gate")
    gone = await api.make("gone")
    await api.client.delete(f"/v1/devices/{gone['id']}", headers=api.auth())
    (answer,) = await run(console, action="tag", tags="x", total="2", id=[gone["id"], there["id"]])
    assert (rows(answer, "ok"), rows(answer, "failed")) == (1, 1)
    assert "there is no such device" in answer
    assert "1 failed" in answer
    assert await tags_of(api, there["id"]) == ["x"]


@on_sqlite
async def test_a_config_patch_makes_a_revision_for_each(console, api):
    made = [await api.make(f"d{number}") for number in range(3)]
    patch = '{"config": {"report_interval_s": 60}}'
    ids = [one["id"] for one in made]
    (answer,) = await run(console, action="config", document=patch, total="3", id=ids)
    assert rows(answer, "ok") == 3
    for one in ids:
        read = await api.read(f"/v1/devices/{one}/config")
        assert read["document"]["config"]["report_interval_s"] == 60
    (again,) = await run(console, action="config", document=patch, total="3", id=ids)
    assert again.count("is so already") == 3
    wrong = '{"config": {"report_interval_s": -5}}'
    (refused,) = await run(console, action="config", document=wrong, total="3", id=ids)
    assert rows(refused, "failed") == 3


@on_sqlite
async def test_a_command_is_queued_for_each(console, api):
    made = await api.make("gate")
    await run(console, action="command", kind="ping", document="{}", total="1", id=[made["id"]])
    queued = await api.read(f"/v1/devices/{made['id']}/commands")
    assert [one["kind"] for one in queued["data"]] == ["ping"]


@on_sqlite
async def test_deleting_asks_for_the_number(console, api):
    made = [await api.make(f"d{number}") for number in range(2)]
    ids = [one["id"] for one in made]
    order = {"action": "delete", "total": "2", "id": ids}
    refused = await console.owner.post(BULK, {**order, "typed": "3"})
    assert refused.status_code == 422
    assert "/typed" in refused.headers["hx-trigger"]
    await run(console, **order, typed="2")
    assert (await api.read("/v1/devices"))["data"] == []


@on_sqlite
@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"action": "tag", "tags": " , "}, "/tags"),
        ({"action": "config", "document": "{nonsense"}, "/document"),
        ({"action": "config", "document": "[1]"}, "/document"),
        ({"action": "config", "document": "{}"}, "/document"),
        ({"action": "paint"}, "/action"),
        ({"action": "tag", "tags": "x", "total": "10001"}, "/total"),
    ],
)
async def test_what_is_wrong_with_the_order_is_told_at_its_field(console, fields, pointer):
    answer = await console.owner.post(BULK, {"total": "1", **fields})
    assert answer.status_code == 422
    assert f'"{pointer}"' in answer.headers["hx-trigger"]
    assert answer.headers["hx-retarget"] == "#notices"


@on_sqlite
async def test_devices_of_others_are_not_touched_by_naming_them(console, api):
    theirs = await api.make("test-mode", key=api.running.test_key)
    (answer,) = await run(console, action="tag", tags="x", total="1", id=[theirs["id"]])
    assert rows(answer, "failed") == 1


@on_sqlite
async def test_the_dialog_says_how_many_and_offers_what_fits(console, api):
    made = await api.make("gate")
    for action in ("tag", "untag", "command", "config", "approve", "delete"):
        form = await console.owner.page(f"{BULK}/{action}?id={made['id']}", fragment=True)
        assert "1 device" in form, action
    assert (await console.owner.get(f"{BULK}/paint")).status_code == 404
    assert (await console.viewer.get(f"{BULK}/tag")).status_code == 403


@on_sqlite
async def test_those_that_need_attention_are_meant_when_they_are_what_is_shown(console, api):
    fine = await api.enroll(await api.make("fine"))
    await api.report(fine)
    failed = await api.enroll(await api.make("failed"))
    state = {"revision": 1, "state": "failed", "error": "no"}
    await api.report(failed, config=state)
    await run(console, action="tag", tags="look", total="1", all="1", attention="1", query="?")
    assert await tags_of(api, failed.device_id) == ["look"]
    assert await tags_of(api, fine.device_id) == []
