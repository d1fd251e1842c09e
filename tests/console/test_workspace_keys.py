"""The pages of a workspace's API keys and provisioning tokens."""

import ast
import html
import json
import operator
import re
import shlex

import pytest
from typer.testing import CliRunner

from dialects.native_kit import on_sqlite
from moorage.cli.main import app
from moorage.sdk import Moorage

PAGE = "/console/workspace/keys"
TOKENS = "/console/workspace/tokens"
KEY = re.compile(r"sk_(?:live|test)_[0-9a-f]{48}")


async def made(console, **fields) -> tuple[str, str]:
    """A key as the page makes it: its text, and what the page shows then."""
    form = {"name": "report", "may": "chosen", "scope": ["device:read"], "mode": "live", **fields}
    answer = await console.owner.post(PAGE, form)
    assert answer.status_code == 200, answer.text
    return KEY.search(answer.text)[0], answer.text


def own(shown: str, action: str) -> str:
    return re.search(rf'hx-post="({PAGE}/key_[0-9a-f]+/{action})"', shown)[1]


async def status_with(console, key: str, path: str = "/v1/devices") -> int:
    headers = {"Authorization": f"Bearer {key}"}
    return (await console.running.client.get(path, headers=headers)).status_code


async def test_a_key_is_shown_once_and_may_do_what_was_ticked(console):
    key, _ = await made(console)
    assert key not in await console.owner.page(PAGE)
    assert await status_with(console, key) == 200
    assert await status_with(console, key, "/v1/audit") == 403


@on_sqlite
async def test_everything_is_granted_only_by_name_and_nothing_ticked_is_nothing(console):
    nothing, _ = await made(console, scope=[])
    assert await status_with(console, nothing) == 403
    everything, shown = await made(console, may="everything", scope=[])
    assert await status_with(console, everything, "/v1/audit") == 200
    assert "everything" in shown


@on_sqlite
async def test_a_test_key_is_made_from_the_live_mode_and_listed_in_its_own(console):
    key, shown = await made(console, mode="test", name="sandbox")
    assert key.startswith("sk_test_")
    assert "listed in the test mode" in shown
    assert "sandbox" not in await console.owner.page(PAGE)


async def test_a_key_is_rolled_disabled_and_revoked(console):
    key, shown = await made(console)
    rolled = await console.owner.post(own(shown, "roll"))
    fresh = KEY.search(rolled.text)[0]
    assert (await status_with(console, key), await status_with(console, fresh)) == (401, 200)
    off = await console.owner.post(own(rolled.text, "switch"), {"disabled": "yes"})
    assert await status_with(console, fresh) == 401
    on = await console.owner.post(own(off.text, "switch"), {"disabled": "no"})
    assert await status_with(console, fresh) == 200
    await console.owner.post(own(on.text, "revoke"))
    assert await status_with(console, fresh) == 401


@on_sqlite
async def test_a_protected_key_is_refused_in_its_words(console):
    key, shown = await made(console)
    await console.owner.post(own(shown, "protect"))
    for action in ("roll", "revoke"):
        refused = await console.owner.post(own(shown, action))
        assert (refused.status_code, "protected" in refused.text) == (409, True)
    assert await status_with(console, key) == 200


@on_sqlite
@pytest.mark.parametrize("name", ["", "x" * 129, "a\x07b"])
async def test_a_name_that_does_not_fit_is_told_at_its_field(console, name):
    answer = await console.owner.post(PAGE, {"name": name, "may": "everything", "mode": "live"})
    assert (answer.status_code, "/name" in answer.headers["hx-trigger"]) == (422, True)


@on_sqlite
async def test_keys_are_read_and_made_by_role(console):
    await made(console)
    shown = await console.operator.page(PAGE)
    assert "report" in shown
    assert "hx-post" not in shown.split("<main")[1]
    assert (await console.viewer.get(PAGE)).status_code == 403
    assert PAGE not in await console.viewer.page("/console/devices")


@on_sqlite
async def test_keys_and_tokens_come_in_pages(console, api):
    for number in range(53):
        await api.key(name=f"k{number:02}")
    first = await console.owner.page(PAGE)
    onwards = html.unescape(re.search(r'href="([^"]+\?after=[^"]+)"', first)[1])
    second = await console.owner.page(onwards)
    names = re.findall(r">(k\d\d)<", first) + re.findall(r">(k\d\d)<", second)
    assert sorted(set(names)) == [f"k{number:02}" for number in range(53)]
    assert len(names) == 53
    assert f'href="{PAGE}"' in second.split("Pages")[1]


async def test_a_token_is_counted_and_revoked(console):
    form = {"name": "batch 7", "max_uses": "5", "tags": "line=3"}
    answer = await console.owner.post("/console/devices/add/token", form)
    token = re.search(r"apt_[0-9a-f]{48}", answer.text)[0]
    body = {"provisioning_token": token, "device": {"device_id": "hw-1"}}
    assert (await console.anyone.post("/v1/enroll", json=body)).status_code == 200
    shown = await console.owner.page(TOKENS)
    assert "1 of 5" in shown
    assert "line=3" in shown
    assert token not in shown
    which = html.unescape(re.search(r'href="([^"]+)">which<', shown)[1])
    assert "/console/devices/dev_" in await console.owner.page(which), "the devices it made"
    revoke = re.search(rf'hx-post="({TOKENS}/[^"]+/revoke)"', shown)[1]
    after = await console.operator.post(revoke)
    assert (after.status_code, "revoked" in after.text) == (200, True)
    body = {"provisioning_token": token, "device": {"device_id": "hw-2"}}
    assert (await console.anyone.post("/v1/enroll", json=body)).status_code == 401
    assert "hx-post" not in (await console.viewer.page(TOKENS)).split("<main")[1]


def copied(shown: str, kind: str) -> list[str]:
    """The commands of a kind that a page's copy buttons hold."""
    return [html.unescape(one) for one in re.findall(rf'data-copy="({kind} [^"]+)"', shown)]


@on_sqlite
async def test_copied_calls_do_what_they_say(console, running):
    key, shown = await made(console)
    calls = {}
    for curl in copied(shown, "curl"):
        words = shlex.split(curl.replace("\\\n", " "))
        method = words[words.index("-X") + 1]
        url = next(word for word in words if word.startswith("http"))
        body = json.loads(words[words.index("-d") + 1]) if "-d" in words else None
        if "/v1/api-keys/key_" in url:
            calls.setdefault((method, url.rsplit("/", 1)[1], str(body)), (method, url, body))
    own_id = own(shown, "revoke").split("/")[-2]

    async def call(method: str, last: str, body: object = None) -> None:
        method, url, body = calls[(method, last, str(body))]
        answer = await running.client.request(method, url, json=body, headers=running.auth())
        assert answer.status_code in (200, 201), answer.text

    await call("PATCH", own_id, {"disabled": True})
    assert await status_with(console, key) == 401
    assert f"key update {own_id} --enable" in await console.owner.page(PAGE)
    await call("DELETE", own_id)
    assert (await console.owner.page(PAGE)).count("revoked") >= 1


@on_sqlite
async def test_every_copied_command_is_one_the_command_line_takes(console, api):
    await made(console)
    await console.owner.post("/console/devices/add/token", {"name": "-batch 'x'"})
    device = await api.make("gate")
    add = "/console/devices/add"
    pages = [
        PAGE,
        TOKENS,
        "/console/workspace/config",
        "/console/workspace/audit?action=a.b&since=2026-01-01T00:00",
    ]
    pages += [
        f"{add}?how={how}&name=-n&type=t&tags=a,b&reference=r" for how in ("linux", "many", "api")
    ]
    pages += [f"{add}/{device['id']}", f"{add}/{device['id']}?how=offline"]
    for path in pages:
        found = copied(await console.owner.page(path), "moorage")
        assert found, path
        for command in found:
            parse(shlex.split(command)[1:])


def parse(words: list[str]) -> None:
    """Have the command line read a command: an option it lacks is an error, before any help."""
    at = words.index("--") if "--" in words else len(words)
    result = CliRunner().invoke(app, [*words[:at], "--help", *words[at:]])
    assert result.exit_code == 0, (words, result.output)


@on_sqlite
async def test_every_copied_program_is_python_that_calls_what_the_library_has(console, api):
    await made(console)
    await console.owner.post("/console/devices/add/token", {"name": "batch"})
    device = await api.make("gate")
    add = "/console/devices/add"
    pages = [
        PAGE,
        TOKENS,
        "/console/workspace/config",
        "/console/workspace/audit?since=2026-01-01T00:00",
    ]
    pages += [f"{add}?how={how}&tags=a" for how in ("linux", "many", "virtual", "api")]
    pages += [f"{add}/{device['id']}", f"{add}/{device['id']}?how=offline"]
    for path in pages:
        shown = await console.owner.page(path)
        programs = re.findall(r'data-copy="(import os[^"]+)"', shown)
        assert programs, path
        for one in programs:
            tree = ast.parse(html.unescape(one))
            called = [
                ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)
            ]
            (call,) = [name for name in called if name.startswith("fleet.")]
            with Moorage("http://moorage.test", "sk_live_x") as fleet:
                assert callable(operator.attrgetter(call.removeprefix("fleet."))(fleet)), call
