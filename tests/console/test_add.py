"""Adding a device: what is made, what is shown once, and what the page says while it waits."""

import base64
import html
import json
import re
import shlex
from datetime import UTC, datetime

from console.kit import HX
from dialects.native_kit import Enrolled, on_sqlite
from support.devices import rfc3339

PAGE = "/console/devices/add"
INSTALL_TOKEN = re.compile(r"inst_[0-9a-f]{48}")
MANY_TOKEN = re.compile(r"apt_[0-9a-f]{48}")


async def made(console, **fields) -> tuple[str, str]:
    """A device as the page makes it: its id and what the page shows then."""
    answer = await console.owner.post(PAGE, {"name": "gate", "how": "linux", **fields})
    assert answer.status_code == 200, answer.text
    pushed = answer.headers["hx-push-url"]
    assert INSTALL_TOKEN.search(pushed) is None
    return pushed.removeprefix(f"{PAGE}/").split("?")[0], answer.text


def line_in(text: str) -> str:
    return html.unescape(re.search(r'<code id="install-line">([^<]+)</code>', text)[1])


async def state_of(console, device_id: str) -> tuple[str, str]:
    text = await console.owner.page(f"{PAGE}/{device_id}/waiting", fragment=True)
    return re.search(r'data-waiting="(\w+)"', text)[1], text


async def test_the_line_is_a_real_one_and_the_page_follows_the_device_until_it_is_there(
    console, api
):
    device_id, text = await made(console, type="camera", tags="a, b", reference="g-1")
    assert 'data-waiting="waiting"' in text
    line = line_in(text)
    url = next(word for word in shlex.split(line) if word.startswith("http"))
    assert (await console.anyone.get(url)).text.startswith("#!")
    state, shown = await state_of(console, device_id)
    assert (state, "installer was fetched" in shown) == ("fetched", True)
    token = INSTALL_TOKEN.search(line)[0]
    answer = await console.anyone.post(
        "/v1/enroll", json={"install_token": token, "facts": {"hostname": "gate-pi"}}
    )
    assert answer.status_code == 200, answer.text
    assert (await state_of(console, device_id))[0] == "enrolled"
    device = Enrolled(device_id, answer.json()["device_key"], token)
    sent = await api.report(device, sent_at=rfc3339(), facts={"hostname": "gate-pi"})
    assert sent.status_code == 200, sent.text
    state, shown = await state_of(console, device_id)
    assert (state, "gate-pi" in shown, "hx-get" in shown) == ("online", True, False)
    kept = await api.read(f"/v1/devices/{device_id}")
    assert (kept["type"], kept["tags"], kept["reference"]) == ("camera", ["a", "b"], "g-1")


@on_sqlite
async def test_a_refusal_is_told_with_what_to_do_about_it(console):
    device_id, text = await made(console)
    old = next(word for word in shlex.split(line_in(text)) if word.startswith("http"))
    again = await console.owner.post(f"{PAGE}/{device_id}/command")
    assert (await console.anyone.get(old)).status_code >= 400
    state, shown = await state_of(console, device_id)
    assert state == "refused"
    assert "was used already" in shown
    assert "Make a fresh command" in shown
    url = next(word for word in shlex.split(line_in(again.text)) if word.startswith("http"))
    assert (await console.anyone.get(url)).status_code == 200
    assert (await state_of(console, device_id))[0] == "fetched"


@on_sqlite
async def test_the_panel_says_nothing_while_nothing_happens(console):
    _, text = await made(console)
    follow = html.unescape(re.search(r'data-waiting="waiting" hx-get="([^"]+)"', text)[1])
    assert (await console.owner.get(follow, fragment=True)).status_code == 204
    url = next(word for word in shlex.split(line_in(text)) if word.startswith("http"))
    await console.anyone.get(url)
    assert (await console.owner.get(follow, fragment=True)).status_code == 200


@on_sqlite
async def test_a_line_that_expired_gives_way_to_a_button_for_a_fresh_one(console, running):
    device_id, text = await made(console)
    lasts = int(re.search(r'hx-trigger="load delay:(\d+)s"', text)[1])
    answer = await running.client.post(f"/v1/devices/{device_id}/install", headers=running.auth())
    until = datetime.fromisoformat(answer.json()["expires_at"])
    assert 0 < lasts <= (until - datetime.now(UTC)).total_seconds() + 60
    over = re.search(r'<div hx-get="([^"]+)"', text)[1]
    shown = await console.owner.page(over, fragment=True)
    assert "has expired" in shown
    assert f'hx-post="{PAGE}/{device_id}/command"' in shown


@on_sqlite
async def test_a_token_is_shown_once_and_never_stands_in_an_address(console):
    device_id, text = await made(console)
    assert INSTALL_TOKEN.search(text)
    for path in (
        f"{PAGE}/{device_id}",
        f"{PAGE}/{device_id}/command",
        f"{PAGE}/{device_id}/waiting",
    ):
        assert INSTALL_TOKEN.search(await console.owner.page(path)) is None, path
    for address in re.findall(r'(?:href|hx-get|hx-post|src)="([^"]+)"', text):
        assert INSTALL_TOKEN.search(address) is None, address


async def test_a_device_without_a_network_is_given_a_code_and_a_file_that_enrol_it(console):
    answer = await console.owner.post(PAGE, {"name": "Börse/7", "how": "offline", "days": "30"})
    assert answer.status_code == 200, answer.text
    device_id = answer.headers["hx-push-url"].removeprefix(f"{PAGE}/").removesuffix("?how=offline")
    kind, _, encoded = re.search(
        r'href="data:([^;]+);(base64),([^"]+)" download', answer.text
    ).groups()
    file = json.loads(base64.b64decode(encoded))
    assert (kind, file["device_id"]) == ("application/json", device_id)
    assert "secret" not in file
    body = file["payload"].split(".")[1]
    document = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    assert (document["expires_at"] - document["issued_at"]) == 30 * 86_400
    enrolled = await console.anyone.post("/v1/enroll", json={"install_token": document["secret"]})
    assert enrolled.status_code == 200, enrolled.text
    picture = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', answer.text)[1]
    assert base64.b64decode(picture).startswith(b"<svg")
    shown = await console.owner.page(f"{PAGE}/{device_id}?how=offline")
    assert file["payload"] not in shown
    fresh = await console.owner.post(f"{PAGE}/{device_id}/bundle", {"days": "10"})
    assert "data:image/svg+xml" in fresh.text
    wrong = await console.owner.post(f"{PAGE}/{device_id}/bundle", {"days": "a week"})
    assert (wrong.status_code, "/days" in wrong.headers["hx-trigger"]) == (422, True)


async def test_a_token_for_many_makes_devices_and_counts_them(console, api):
    form = {"name": "batch", "tags": "line=3", "type": "meter", "max_uses": "2", "expires": "86400"}
    answer = await console.owner.post(f"{PAGE}/token", form)
    assert answer.status_code == 200, answer.text
    token = MANY_TOKEN.search(answer.text)[0]
    assert f"/setup | sudo sh -s -- {token}" in html.unescape(answer.text)
    uses = re.search(r'hx-get="(/console/workspace/tokens/[^"]+)"', answer.text)[1]
    assert token not in uses
    assert (await console.owner.get(html.unescape(uses), fragment=True)).status_code == 204
    body = {"provisioning_token": token, "device": {"device_id": "hw-1", "name": "one"}}
    enrolled = await console.anyone.post("/v1/enroll", json=body)
    assert enrolled.status_code == 200, enrolled.text
    assert "1 device of 2" in await console.owner.page(html.unescape(uses), fragment=True)
    (device,) = (await api.read("/v1/devices", tag="line=3"))["data"]
    assert device["type"] == "meter"
    wrong = await console.owner.post(f"{PAGE}/token", {**form, "policy": "replace"})
    assert (wrong.status_code, "/policy" in wrong.headers["hx-trigger"]) == (422, True)


@on_sqlite
async def test_virtual_devices_live_at_once(console, api):
    one = await console.owner.post(f"{PAGE}/virtual", {"profile": "meter", "name": "Tank"})
    assert one.headers["hx-redirect"].startswith("/console/devices/dev_")
    some = await console.owner.post(f"{PAGE}/virtual", {"profile": "camera", "count": "3"})
    assert some.headers["hx-redirect"] == "/console/devices?tag=virtual"
    assert len((await api.read("/v1/virtual-devices"))["data"]) == 4
    full = await console.owner.post(f"{PAGE}/virtual", {"count": "50"})
    assert (full.status_code, "room for 46" in full.text) == (409, True)


@on_sqlite
async def test_a_tab_keeps_what_was_typed_and_no_more(console):
    query = "name=Gate+%22A%22&tags=x%2C+y&type=cam&reference=r-1"
    for how in ("linux", "many", "offline", "virtual", "api"):
        shown = await console.owner.page(f"{PAGE}?how={how}&{query}", fragment=True)
        assert 'value="Gate &#34;A&#34;"' in shown, how
        for name, value in (("tags", "x, y"), ("type", "cam"), ("reference", "r-1")):
            assert re.search(rf'name="{name}"[^>]* value="{value}"', shown), (how, name)
    assert "Linux command" in await console.owner.page(f"{PAGE}?how=nonsense")


@on_sqlite
async def test_the_api_tab_spells_calls_that_work(console, running):
    shown = await console.owner.page(f"{PAGE}?how=api&name=it%27s+%241&tags=a,b&type=cam")
    curl = html.unescape(re.search(r"<code>(curl [^<]+)</code>", shown)[1])
    words = shlex.split(curl.replace("\\\n", " "))
    body = json.loads(words[words.index("-d") + 1])
    url = next(word for word in words if word.startswith("http"))
    answer = await running.client.post(url, json=body, headers=running.auth())
    assert answer.status_code == 201, answer.text
    assert (answer.json()["name"], answer.json()["tags"]) == ("it's $1", ["a", "b"])
    cli = html.unescape(re.search(r"<code>(moorage [^<]+)</code>", shown)[1])
    assert shlex.split(cli)[-2:] == ["--", "it's $1"]
    python = html.unescape(re.search(r"<code>(import os[^<]+)</code>", shown)[1])
    compile(python, "snippet", "exec")


@on_sqlite
async def test_a_fault_stands_at_its_field_and_nothing_is_made(console, api):
    answer = await console.owner.post(PAGE, {"name": "", "how": "linux"})
    assert (answer.status_code, "/name" in answer.headers["hx-trigger"]) == (422, True)
    await made(console, reference="taken")
    taken = await console.owner.post(PAGE, {"name": "b", "how": "linux", "reference": "taken"})
    assert taken.status_code == 409
    assert len((await api.read("/v1/devices"))["data"]) == 1


@on_sqlite
async def test_a_viewer_sees_the_ways_and_no_buttons(console):
    device_id, _ = await made(console)
    for how in ("linux", "many", "offline", "virtual"):
        shown = await console.viewer.page(f"{PAGE}?how={how}")
        assert 'type="submit">' not in shown.split('id="add"')[1].split("</main>")[0], how
    shown = await console.viewer.page(f"{PAGE}/{device_id}")
    assert f'hx-post="{PAGE}' not in shown
    assert "data-waiting" in shown
    answer = await console.viewer.client.get(f"{PAGE}/{device_id}/waiting", headers=HX)
    assert answer.status_code == 200
