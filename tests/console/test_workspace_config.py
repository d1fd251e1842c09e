"""The page of the default config and of how long rows are kept."""

import html
import json
import re

import pytest

from dialects.native_kit import on_sqlite

PAGE = "/console/workspace/config"
WITH_SECRET = {
    "services": {"web": {"image": "web:1", "environment_variables": {"TOKEN": "s3cr3t"}}}
}


def shown_in(page: str) -> tuple[str, dict]:
    """The digest and the text that the editor holds."""
    digest = re.search(r'name="digest" value="([^"]+)"', page)[1]
    return digest, json.loads(
        html.unescape(re.search(r"<textarea[^>]*>(.*?)</textarea>", page, re.DOTALL)[1])
    )


async def save(person, patch, digest: str):
    return await person.post(PAGE, {"patch": json.dumps(patch), "digest": digest})


async def check(person, text: str) -> str:
    answer = await person.post(f"{PAGE}/check", {"patch": text})
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_what_is_saved_is_what_new_devices_begin_with_and_no_others(console, api):
    before = await api.make("before")
    digest, patch = shown_in(await console.owner.page(PAGE))
    assert patch == {}
    saved = await save(console.operator, {"config": {"site": "north"}}, digest)
    assert saved.headers["hx-redirect"] == PAGE
    assert shown_in(await console.owner.page(PAGE))[1] == {"config": {"site": "north"}}
    after = await api.make("after")
    sites = [
        (await api.read(f"/v1/devices/{one['id']}/config"))["document"]["config"].get("site")
        for one in (before, after)
    ]
    assert sites == [None, "north"]


async def test_of_two_who_edit_at_once_the_second_is_told(console):
    digest, _ = shown_in(await console.owner.page(PAGE))
    assert (await save(console.owner, {"config": {"a": 1}}, digest)).status_code == 204
    second = await save(console.operator, {"config": {"b": 2}}, digest)
    assert (second.status_code, second.headers["hx-retarget"]) == (412, "#notices")
    assert "Somebody else changed this meanwhile" in second.text
    assert shown_in(await console.owner.page(PAGE))[1] == {"config": {"a": 1}}


@on_sqlite
async def test_secrets_are_never_shown_and_stay_when_their_masks_come_back(console, api, running):
    body = {"patch": WITH_SECRET}
    await running.client.put("/v1/default-config", json=body, headers=running.auth())
    for person in (console.owner, console.operator, console.viewer):
        assert "s3cr3t" not in await person.page(PAGE)
    digest, patch = shown_in(await console.operator.page(PAGE))
    patch["services"]["web"]["image"] = "web:2"
    assert (await save(console.operator, patch, digest)).status_code == 204
    kept = (await api.read("/v1/default-config"))["patch"]["services"]["web"]
    assert kept == {"image": "web:2", "environment_variables": {"TOKEN": "s3cr3t"}}


@on_sqlite
async def test_the_check_says_what_would_differ_and_changes_nothing(console, api):
    shown = await check(console.operator, '{"config": {"site": "south"}}')
    assert 'data-checked="changes"' in shown
    assert "/config/site" in shown
    assert 'data-checked="same"' in await check(console.operator, "  ")
    assert (await api.read("/v1/default-config"))["patch"] == {}


@on_sqlite
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{\n "config": {,}\n}', "line 2"),
        ("[1]", "JSON object"),
        ('{"config": {"report_interval_s": 0}}', "/config/report_interval_s"),
        ('{"services": {"web": 7}}', "/services/web"),
        ("[" * 3000, ""),
    ],
)
async def test_what_does_not_fit_is_told_while_typing_and_refused_when_saved(console, text, told):
    shown = await check(console.owner, text)
    assert 'data-checked="wrong"' in shown
    assert told in html.unescape(shown)
    refused = await console.owner.post(PAGE, {"patch": text, "digest": ""})
    assert refused.status_code == 422
    assert "hx-redirect" not in refused.headers


@on_sqlite
async def test_owners_say_how_long_rows_are_kept_within_the_servers_bounds(console, api):
    answer = await console.owner.post(f"{PAGE}/kept", {"logs_days": "3", "events_days": ""})
    assert answer.headers["hx-redirect"] == PAGE
    assert (await api.read("/v1/workspaces/acme"))["retention"]["logs_days"] == 3
    assert 'name="logs_days" type="text" value="3"' in await console.owner.page(PAGE)
    for wrong in ("99999", "soon", "0", "nan", "-1"):
        refused = await console.owner.post(f"{PAGE}/kept", {"logs_days": wrong})
        assert refused.status_code == 422, wrong
        assert "logs_days" in refused.headers["hx-trigger"], wrong
    assert (await api.read("/v1/workspaces/acme"))["retention"]["logs_days"] == 3
    operators = (await console.operator.page(PAGE)).split("<main")[1]
    assert "/kept" not in operators.replace('hx-post="/console/workspace/config/kept"', "")
    assert (await console.operator.post(f"{PAGE}/kept", {"logs_days": "1"})).status_code == 403


@on_sqlite
async def test_a_viewer_reads_it_and_changes_nothing(console):
    shown = (await console.viewer.page(PAGE)).split("<main")[1].split("</main>")[0]
    assert "readonly" in shown
    assert 'type="submit"' not in shown
