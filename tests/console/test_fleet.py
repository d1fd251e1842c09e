"""The fleet page: who needs somebody and why, filters, pages both ways, CSV."""

import csv
import io
import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from dialects.native_kit import on_sqlite
from moorage.core import provisioning
from support.devices import rfc3339

FLEET = "/console/devices"


def names(html: str) -> list[str]:
    """Names in the table, in their order."""
    found = re.findall(r'class="device-name"[^>]*><span[^>]*>([^<]*)</span>', html)
    return [one.strip() for one in found]


def total(html: str, key: str) -> int:
    found = re.search(rf'class="total total-{key}[^>]*>\s*<span class="total-count">([\d,]+)', html)
    return int(found[1].replace(",", ""))


def link(html: str, title: str) -> str:
    """Where a button of the pager leads."""
    found = re.search(rf'<a class="btn btn-sm" href="([^"]+)"[^>]*>\s*<svg.*?</svg>{title}', html)
    assert found, f"there is no {title}"
    return found[1].replace("&amp;", "&")


async def silent(console, device_id: str, ago: timedelta) -> None:
    """Let a device have reported last so long ago."""
    async with console.running.db.write() as tx:
        ms = int(ago.total_seconds() * 1000)
        await tx.run(
            sa.text(
                "UPDATE device_presence SET last_heartbeat_at = last_heartbeat_at - :ms "
                "WHERE device_id = :id"
            ),
            {"ms": ms, "id": device_id},
        )


async def reporting(api, name: str, **parts):
    device = await api.enroll(await api.make(name))
    answer = await api.report(device, sent_at=rfc3339(), **parts)
    assert answer.status_code == 200, answer.text
    return device


async def test_those_who_need_somebody_come_first_and_say_why(console, api):
    await reporting(api, "fine")
    late = await reporting(api, "behind-time")
    gone = await reporting(api, "gone")
    failed = await reporting(
        api,
        "wrong-config",
        config={"revision": 1, "state": "failed", "error": "no such <camera>"},
    )
    await reporting(
        api, "wrong-stream", streams=[{"id": "door", "status": "failed", "error": "no picture"}]
    )
    await silent(console, late.device_id, timedelta(seconds=60))
    await silent(console, gone.device_id, timedelta(hours=2))
    page = await console.owner.page(FLEET)
    assert names(page) == ["gone", "wrong-config", "wrong-stream", "behind-time"]
    assert (total(page, "attention"), total(page, "all"), total(page, "online")) == (4, 5, 3)
    assert "config revision 1 failed: no such &lt;camera&gt;" in page
    assert "stream door failed" in page
    assert "expected 3" in page
    by_cause = await console.owner.page(f"{FLEET}?show=attention&cause=config_failed")
    assert names(by_cause) == ["wrong-config"]
    assert failed.device_id in by_cause


@on_sqlite
async def test_when_nobody_needs_you_the_page_shows_all(console, api):
    await reporting(api, "fine")
    assert names(await console.owner.page(FLEET)) == ["fine"]
    assert "No device needs you" in await console.owner.page(f"{FLEET}?show=attention")


@on_sqlite
async def test_an_empty_fleet_leads_to_adding_a_device(console):
    page = await console.owner.page(FLEET)
    assert "No devices yet" in page
    assert "/console/devices/add" in page
    assert "/console/devices/add" not in await console.viewer.page(FLEET)


async def test_pages_lead_there_and_back_again(console, api):
    made = [f"device-{number:03d}" for number in range(120)]
    for name in made:
        await api.make(name)
    first = await console.owner.page(f"{FLEET}?show=all&sort=name")
    assert names(first) == made[:50]
    second = await console.owner.page(link(first, "Next"))
    assert names(second) == made[50:100]
    third = await console.owner.page(link(second, "Next"))
    assert names(third) == made[100:]
    back = await console.owner.page(link(third, "Previous"))
    assert names(back) == made[50:100]
    assert names(await console.owner.page(link(back, "Previous"))) == made[:50]


@on_sqlite
@pytest.mark.parametrize("sort", ["-name", "created_at", "-created_at", "last_heartbeat"])
async def test_every_order_has_pages_both_ways(console, api, sort):
    for number in range(60):
        await api.make(f"device-{number:03d}")
    first = await console.owner.page(f"{FLEET}?show=all&sort={sort}")
    second = await console.owner.page(link(first, "Next"))
    assert len({*names(first), *names(second)}) == 60
    assert names(await console.owner.page(link(second, "Previous"))) == names(first)


@on_sqlite
async def test_filters_narrow_and_are_shown_as_chips(console, api):
    await api.make("gate", type="camera", tags=["north", "pilot"], reference="R-1")
    await api.make("dock", type="edge", tags=["north"])
    for query, found in (
        ("type=camera", ["gate"]),
        ("tag=north&tag=pilot", ["gate"]),
        ("tag=north", ["dock", "gate"]),
        ("q=r-1", ["gate"]),
        ("status=online", []),
        ("status=never_seen&q=DOC", ["dock"]),
        ("approval=pending", []),
    ):
        page = await console.owner.page(f"{FLEET}?show=all&sort=name&{query}")
        assert names(page) == found, query
    chips = await console.owner.page(f"{FLEET}?show=all&type=camera&tag=north&q=gate")
    for label in ("type: camera", "tag: north", "text: gate"):
        assert label in chips
    menu = await console.owner.page("/console/fleet/filters?type=camera", fragment=True)
    assert "camera" in menu
    assert "pilot" in menu


@on_sqlite
@pytest.mark.parametrize("query", ["status=asleep", "sort=size", "show=x", "cause=x", "after=no"])
async def test_an_address_with_a_word_there_is_not_says_so(console, query):
    answer = await console.owner.get(f"{FLEET}?{query}")
    assert answer.status_code == 422
    assert "That does not fit" in answer.text


@on_sqlite
async def test_the_columns_are_those_that_were_chosen(console, api):
    await reporting(api, "gate", facts={"agent_version": "7.8.9", "platform": "Plan 9"})
    page = await console.owner.page(f"{FLEET}?columns=agent&columns=os")
    assert "7.8.9" in page
    assert "Plan 9" in page
    assert "col-tags" not in page


@on_sqlite
async def test_rows_are_read_again_by_their_ids_whatever_else_there_is(console, api):
    first, second = await api.make("gate"), await api.make("dock")
    other = await api.make("secret", key=api.running.test_key)
    ids = [first["id"], other["id"], "dev_" + "0" * 24, "no id"]
    query = "&".join(f"id={one}" for one in ids)
    part = await console.owner.page(f"/console/fleet/rows?{query}", fragment=True)
    assert names(part) == ["gate"]
    assert second["id"] not in part


@on_sqlite
async def test_the_csv_holds_the_filter_and_no_formula(console, api):
    await api.make("=HYPERLINK(1)", tags=["north"], reference="+1", type="@x")
    await api.make("other", tags=["south"])
    answer = await console.owner.get("/console/fleet/export.csv?tag=north")
    assert answer.headers["content-disposition"] == 'attachment; filename="devices.csv"'
    head, *lines = list(csv.reader(io.StringIO(answer.text)))
    (line,) = lines
    found = dict(zip(head, line, strict=True))
    assert found["name"] == "'=HYPERLINK(1)"
    assert (found["reference"], found["type"], found["status"]) == ("'+1", "'@x", "never_seen")


@on_sqlite
async def test_the_csv_of_those_that_need_attention_holds_them_alone(console, api):
    await reporting(api, "fine")
    await reporting(api, "failed", config={"revision": 1, "state": "failed", "error": "no"})
    page = await console.owner.page(FLEET)
    (address,) = re.findall(r'href="(/console/fleet/export.csv[^"]*)"', page)
    answer = await console.owner.get(address.replace("&amp;", "&"))
    head, *lines = list(csv.reader(io.StringIO(answer.text)))
    assert [line[head.index("name")] for line in lines] == ["failed"]


@on_sqlite
async def test_a_text_is_looked_for_among_all(console, api):
    await reporting(api, "gate-fine")
    await reporting(api, "gate-bad", config={"revision": 1, "state": "failed", "error": "no"})
    assert names(await console.owner.page(FLEET)) == ["gate-bad"]
    found = await console.owner.page(f"{FLEET}?q=gate&sort=name")
    assert names(found) == ["gate-bad", "gate-fine"]


async def test_needs_have_pages_both_ways_flagged_and_silent_alike(console, api):
    """Those that the database finds and those that other capabilities flag, in one order."""
    made = []
    for number in range(30):
        flagged = await reporting(
            api, f"flag-{number}", config={"revision": 1, "state": "failed", "error": "no"}
        )
        gone = await reporting(api, f"gone-{number}")
        await silent(console, gone.device_id, timedelta(hours=1))
        made += [flagged.device_id, gone.device_id]
    first = await console.owner.page(f"{FLEET}?show=attention")
    second = await console.owner.page(link(first, "Next"))
    shown = names(first) + names(second)
    assert len(shown) == len(set(shown)) == len(made)
    assert [one.split("-")[0] for one in shown] == ["gone"] * 30 + ["flag"] * 30
    assert names(await console.owner.page(link(second, "Previous"))) == names(first)
    by_cause = await console.owner.page(f"{FLEET}?show=attention&cause=config_failed")
    assert len(names(by_cause)) == 30


@on_sqlite
async def test_the_csv_holds_more_than_one_page(console, api):
    async with console.running.db.write() as tx:
        for number in range(520):
            await provisioning.register(
                tx,
                console.owner.made.session.caller,
                name=f"d{number}",
                type="edge",
                tags=[],
                reference=None,
                expires_in=timedelta(hours=1),
            )
    answer = await console.owner.get("/console/fleet/export.csv")
    assert len(answer.text.strip().splitlines()) == 521


@on_sqlite
async def test_a_view_is_saved_shown_and_taken_away(console):
    state = {"query": "show=all&status=late&after=abc&name=x", "name": "late <ones>"}
    saved = await console.viewer.post("/console/fleet/views", state)
    assert "late &lt;ones&gt;" in saved.text
    assert "/console/devices?show=all&amp;status=late" in saved.text
    assert "after=" not in saved.text
    menu = await console.viewer.page("/console/fleet/views?status=late", fragment=True)
    assert "late &lt;ones&gt;" in menu
    assert "late &lt;ones&gt;" not in await console.owner.page("/console/fleet/views")
    left = await console.viewer.post("/console/fleet/views/remove", {"name": "late <ones>"})
    assert "No saved views yet" in left.text
    refused = await console.viewer.post("/console/fleet/views", {"query": "", "name": " "})
    assert '"/name"' in refused.headers["hx-trigger"]


@on_sqlite
async def test_a_view_of_more_conditions_than_there_are_is_refused(console):
    query = "&".join(["tag=a"] * 101)
    assert (await console.viewer.get(f"/console/fleet/views?{query}")).status_code == 422
    answer = await console.viewer.post("/console/fleet/views", {"query": query, "name": "many"})
    assert answer.status_code == 422
