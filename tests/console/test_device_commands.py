"""The tab Commands: what is asked of a device, and what came of it."""

import html
import json
import re

import pytest

from dialects.native_kit import on_sqlite
from support.devices import rfc3339


def states(page: str) -> list[str]:
    return re.findall(r'class="work work-(\w+)"', page)


def copied(page: str) -> list[str]:
    return [html.unescape(one) for one in re.findall(r'data-copy="([^"]*)"', page)]


@pytest.fixture
async def device(api):
    return await api.enroll()


@pytest.fixture
def path(device):
    return f"/console/devices/{device.device_id}/commands"


async def send(person, path: str, kind: str, **arguments: str):
    return await person.post(path, {"kind": kind, "expires_in_s": "3600", **arguments})


async def test_a_command_is_queued_delivered_and_its_result_is_shown_as_text(
    console, api, device, path
):
    answer = await send(console.operator, path, "ping")
    assert states(answer.text) == ["queued"]
    told = (await api.report(device, sent_at=rfc3339())).json()
    (command,) = told["commands"]
    assert states(await console.viewer.page(path)) == ["delivered"]
    result = {"output": "line 1\n<b>line 2</b>", "version": "1.2"}
    done = {"id": command["id"], "state": "succeeded", "result": result}
    await api.report(device, sequence=2, sent_at=rfc3339(), commands=[done])
    page = await console.viewer.page(path)
    assert states(page) == ["succeeded"]
    assert "<pre>line 1\n&lt;b&gt;line 2&lt;/b&gt;</pre>" in page
    assert "line 1" not in copied(page)


async def test_a_command_is_taken_back_once(console, path):
    page = (await send(console.owner, path, "restart_agent")).text
    cancel = re.search(r'hx-post="([^"]+/cancel)"', page)[1]
    assert (await console.viewer.post(cancel)).status_code == 403
    assert states((await console.operator.post(cancel)).text) == ["cancelled"]
    again = await console.operator.post(cancel)
    assert again.status_code == 409
    assert "cancelled already" in again.text


async def test_pages_hold_every_command_once(console, path):
    for _ in range(30):
        await send(console.owner, path, "ping")
    first = await console.owner.page(path)
    after = html.unescape(re.search(r'href="([^"]+\?cursor=[^"]+)"', first)[1])
    second = await console.owner.page(after)
    ids = re.findall(r"moorage command cancel \S+ (cmd_\w+)", " ".join(copied(first + second)))
    assert (len(ids), len(set(ids))) == (30, 30)


@on_sqlite
async def test_what_is_refused_is_said_at_its_field(console, path):
    async def faults(kind: str, **arguments: str) -> list[str]:
        answer = await send(console.owner, path, kind, **arguments)
        assert answer.status_code == 422, answer.text
        told = json.loads(answer.headers["hx-trigger"])["moorage:faults"]
        return [one["pointer"] for one in told]

    assert await faults("restart_service") == ["/arguments/service"]
    assert await faults("plan", document="{no") == ["/arguments/document"]
    assert await faults("plan", document="[]") == ["/arguments/document"]
    assert await faults("collect_logs", for_s="soon") == ["/arguments/for_s"]
    assert await faults("dance") == ["/kind"]
    assert await faults("ping", expires_in_s="1") == ["/expires_in_s"]


@on_sqlite
async def test_a_viewer_is_offered_nothing_to_send(console, path):
    await send(console.owner, path, "ping")
    page = await console.viewer.page(path)
    assert 'id="command-form"' not in page
    assert "hx-post" not in page[page.index('id="commands"') :]
    assert (await send(console.viewer, path, "ping")).status_code == 403
    assert 'value="reboot"' in await console.operator.page(path)


@on_sqlite
async def test_a_reboot_is_asked_about_first(console, path):
    draft = await console.owner.page(f"{path}/draft?kind=reboot", fragment=True)
    assert "hx-confirm=" in draft
    assert "hx-confirm=" not in await console.owner.page(f"{path}/draft?kind=ping", fragment=True)


@on_sqlite
async def test_what_is_copied_does_the_same_and_quotes_what_was_typed(console, path, device):
    query = "kind=restart_service&service=it%27s+%24(x)&expires_in_s=900&copy=yes"
    curl, cli, python = copied(await console.owner.page(f"{path}/draft?{query}", fragment=True))
    assert json.loads(curl.split("-d ", 1)[1].strip("'").replace("'\"'\"'", "'")) == {
        "kind": "restart_service",
        "arguments": {"service": "it's $(x)"},
        "expires_in_s": 900,
    }
    assert cli == (
        f"moorage command send {device.device_id} restart_service"
        """ --arg 'service=it'"'"'s $(x)' --expires-in 900s"""
    )
    call = f"fleet.commands.send('{device.device_id}', 'restart_service', "
    assert call + """{'service': "it's $(x)"}, expires_in_s=900)""" in python


@on_sqlite
async def test_the_document_of_a_plan_is_not_shown(console, path):
    answer = await send(console.owner, path, "plan", document='{"secret": "hunter2"}')
    assert states(answer.text) == ["queued"]
    assert "hunter2" not in answer.text + await console.owner.page(path)


@on_sqlite
async def test_a_link_leads_to_one_command_however_old(console, path):
    old = re.search(r"cmd_\w+", (await send(console.owner, path, "collect_logs")).text)[0]
    for _ in range(26):
        await send(console.owner, path, "ping")
    page = await console.owner.page(f"{path}?command={old}")
    chosen = re.search(r'<tr class="row-chosen".*?</tr>', page, re.DOTALL)[0]
    assert "collect_logs" in chosen
    assert (await console.owner.get(f"{path}?command=cmd_none")).status_code == 404
