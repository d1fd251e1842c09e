"""The audit page: filters, pages, and a CSV that runs nothing."""

import csv
import html
import io
import re
import shlex

from console.kit import browser
from dialects.native_kit import on_sqlite

PAGE = "/console/workspace/audit"


async def rows_of(console, path: str = PAGE) -> list[str]:
    """The actions that a page lists, in their order."""
    shown = await console.owner.page(path)
    return re.findall(r'title="Only ([a-z_.-]+)"', shown)


async def test_changes_are_listed_newest_first_and_filtered(console, api):
    made = await api.make("gate")
    await api.make("yard")
    assert (await rows_of(console)).count("device.created") == 2
    assert set(await rows_of(console, f"{PAGE}?action=device.created")) == {"device.created"}
    of_one = await rows_of(console, f"{PAGE}?entity={made['id']}")
    assert sorted(of_one) == ["device.created", "install_token.created"]
    assert await rows_of(console, f"{PAGE}?since=2090-01-01T00:00") == []
    assert await rows_of(console, f"{PAGE}?until=2001-01-01T00:00") == []
    assert await rows_of(console, f"{PAGE}?actor=key:none") == []
    shown = await console.owner.page(f"{PAGE}?since=2090-01-01T00:00")
    assert "No change matches" in shown
    assert 'value="2090-01-01T00:00"' in shown


@on_sqlite
async def test_who_changed_it_has_a_name_for_owners(console):
    await console.owner.post("/console/devices/add", {"name": "gate", "how": "linux"})
    name = console.owner.made.session.account.name
    assert name in (await console.owner.page(PAGE)).split("<main")[1]


@on_sqlite
async def test_a_time_that_is_none_is_told_at_its_field(console):
    for text in ("yesterday", "2026-13-01T00:00", "9999-12-31T23:59-14:00"):
        answer = await console.owner.get(f"{PAGE}?since={text}", fragment=True)
        assert (answer.status_code, "/since" in answer.headers["hx-trigger"]) == (422, True), text


@on_sqlite
async def test_pages_go_on_where_the_last_ended_and_keep_the_filter(console, api):
    for number in range(60):
        await api.make(f"d{number}")
    first = await console.owner.page(f"{PAGE}?action=device.created")
    onwards = html.unescape(re.search(r'href="([^"]+after=[^"]+)"', first)[1])
    assert "action=device.created" in onwards
    second = await console.owner.page(onwards)
    ids = [re.findall(r"/console/devices/(dev_[0-9a-f]+)", one) for one in (first, second)]
    assert (len(ids[0]), len(set(ids[0] + ids[1]))) == (50, 60)


async def test_the_csv_holds_the_filter_and_no_formula(console, api):
    await api.make("=HYPERLINK()", reference="+1")
    answer = await console.owner.get(f"{PAGE}/export.csv?action=device.created")
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    head, *rows = csv.reader(io.StringIO(answer.text))
    assert head == ["at", "actor", "action", "entity_id", "details"]
    assert len(rows) == 1
    assert "=HYPERLINK()" in rows[0][4]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for cell in rows[0])


@on_sqlite
async def test_the_same_is_asked_for_by_the_copied_command(console, api, running):
    await api.make("gate")
    shown = await console.owner.page(f"{PAGE}?action=device.created&since=2020-01-01T00:00")
    (curl,) = [html.unescape(one) for one in re.findall(r'data-copy="(curl [^"]+)"', shown)]
    words = shlex.split(curl.replace("\\\n", " "))
    url = next(word for word in words if word.startswith("http"))
    answer = await running.client.get(url, headers=running.auth())
    assert [one["action"] for one in answer.json()["data"]] == ["device.created"]
    (cli,) = re.findall(r'data-copy="(moorage [^"]+)"', shown)
    assert cli == ("moorage audit --action device.created --since 2020-01-01T00:00:00.000Z")
    (python,) = re.findall(r'data-copy="(import os[^"]+)"', shown)
    compile(html.unescape(python), "snippet", "exec")


@on_sqlite
async def test_the_audit_of_another_workspace_is_not_there(console, api):
    await api.make("ours")
    made = await console.people.set_up("eve@example.com", "neighbour")
    eve = browser(console.running, made)
    assert ">device.created<" not in (await eve.get(PAGE)).text
    assert "device.created" not in (await eve.get(f"{PAGE}/export.csv")).text
    await eve.client.aclose()
