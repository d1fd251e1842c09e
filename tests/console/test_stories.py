"""What people do all day in a browser, and what goes wrong meanwhile: nothing typed is lost."""

import re

import pytest
from playwright.async_api import expect
from starlette.routing import compile_path

from console.filled import Filled, addresses
from moorage.console import app
from moorage.core import devices
from moorage.core.accounts import Role
from support.accounts import PASSWORD
from support.chromium import window
from support.devices import rfc3339

WITHIN_MS = 60_000
PLANTED = (
    "\"'></script><img src=//elsewhere.test/x onerror=alert(1)>"
    "<script>alert(2)</script><svg onload=alert(3)>{{7*7}}"
)


@pytest.fixture
async def enrolled(stand):
    """A device that can report: its id and its key."""

    async def make(name: str, **fields):
        made = await stand.make(name, **fields)
        token = {"install_token": made["install_token"]}
        answer = await stand.api.post("/v1/enroll", json=token)
        return made["id"], answer.json()["device_key"]

    return make


async def test_five_hundred_are_tagged_and_the_one_that_cannot_be_says_why(stand, browser_page):
    """One has all the tags that a device may have, which are 64."""
    caller = stand.sessions[Role.OWNER].session.caller

    async def make(db) -> None:
        async with db.write() as tx:
            for number in range(500):
                tags = [f"t{one}" for one in range(64)] if number == 250 else []
                await devices.create(tx, caller, name=f"many-{number:03d}", tags=tags)

    await stand.database(make)
    page = browser_page
    await page.goto("/console/devices?show=all&q=many-")
    await page.get_by_label("Select all on this page").check()
    await page.get_by_role("button", name="Select all 500").click()
    await page.get_by_role("button", name="Tag", exact=True).click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Tags").fill("autumn")
    await dialog.get_by_role("button", name="Tag").click()
    over = dialog.locator("[data-bulk-over]")
    await expect(over).to_have_text("Done: 500 of 500, 1 failed.", timeout=2 * WITHIN_MS)
    await expect(dialog.locator(".bulk-results .ok")).to_have_count(499)
    await expect(dialog.locator(".bulk-results .failed")).to_contain_text("many-250")
    await expect(dialog.locator(".bulk-results .failed")).to_contain_text("tags")


async def test_keys_alone_lead_in_and_to_a_device_and_through_its_menu(stand, chromium_browser):
    await stand.make("Keyboard lamp")
    async with window(chromium_browser, stand.base_url) as opened:
        page = await opened.page()
        keys = page.keyboard
        await page.goto("/console")
        await expect(page.get_by_label("E-mail address")).to_be_focused()
        await keys.type("viewer@example.com")
        await keys.press("Tab")
        await keys.type(PASSWORD)
        await keys.press("Enter")
        await expect(page.get_by_role("heading", name="Devices", exact=True)).to_be_visible()
        await keys.press("Control+k")
        await expect(page.get_by_role("combobox", name="Device, page or action")).to_be_focused()
        await keys.type("keyboard la")
        first = page.locator(".palette-option[aria-selected=true]")
        await expect(first).to_contain_text("Keyboard lamp")
        await keys.press("Enter")
        await expect(page.get_by_role("heading", name="Keyboard lamp")).to_be_visible()
        account = page.get_by_role("button", name="Your account")
        for _ in range(30):
            await keys.press("Tab")
            if await account.evaluate("one => one === document.activeElement"):
                break
        await expect(account).to_be_focused()
        await keys.press("Enter")
        await expect(page.get_by_role("button", name="Sign out")).to_be_visible()
        await keys.press("Escape")
        await expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
        await expect(account).to_be_focused()
    assert opened.wrong == []


async def test_a_session_that_ends_while_somebody_types_costs_nothing(
    stand, chromium_browser, enrolled
):
    """They sign in again in another tab, and go on where they were."""
    device_id, _ = await enrolled("expired")
    typed = '{"config": {"report_interval_s": 17}}'
    async with window(chromium_browser, stand.base_url) as opened:
        await stand.sign_in(opened.context, Role.OPERATOR)
        page = await opened.page()
        await page.goto(f"/console/devices/{device_id}/config")
        own = page.get_by_label("The device's own layer, as JSON")
        await own.fill(typed)
        await opened.context.clear_cookies()
        save = page.get_by_role("button", name="Save as a new revision")
        await save.click()
        told = page.locator(".notice-danger")
        await expect(told.first).to_contain_text("signed out")
        await expect(own).to_have_value(typed)
        other = await opened.page()
        await other.goto("/console/sign-in")
        await other.get_by_label("E-mail address").fill("operator@example.com")
        await other.get_by_label("Password").fill(PASSWORD)
        await other.get_by_role("button", name="Sign in").click()
        await expect(other.get_by_role("heading", name="Devices", exact=True)).to_be_visible()
        await page.bring_to_front()
        await page.evaluate("dispatchEvent(new Event('focus'))")
        await expect(told).to_have_count(0)
        await save.click()
        await expect(page.locator(".config-state")).to_contain_text("revision 2")
    assert opened.wrong == []
    config = await stand.api.get(f"/v1/devices/{device_id}/config")
    assert config.json()["own"]["config"]["report_interval_s"] == 17


async def test_script_in_all_that_a_device_sends_never_runs(stand, chromium_browser, enrolled):
    """It is on every page, and does nothing: no dialog, no error, no request elsewhere."""
    device_id, key = await enrolled(PLANTED, type=PLANTED[:60], tags=[PLANTED[:60]])
    await report_planted(stand, key)
    paths = addresses(Filled(device_id, device_id, device_id, device_id, "1")).values()
    known = [compile_path(path)[0] for method, path, _ in app.PAGES if method == "GET"]
    happened, asked = [], []
    async with window(chromium_browser, stand.base_url) as opened:
        await stand.sign_in(opened.context)
        page = await opened.page()

        async def dialog(one):
            happened.append(one.message)
            await one.dismiss()

        page.on("dialog", dialog)
        page.on("request", lambda one: asked.append(one.url))
        for path in dict.fromkeys([*paths, f"/console/devices/{device_id}/logs?q=onerror"]):
            if any(one.match(path.partition("?")[0]) for one in known):
                await page.goto(path)
                assert await page.locator("img[src*=elsewhere], svg[onload]").count() == 0, path
        await page.goto(f"/console/devices/{device_id}")
        await expect(page.get_by_role("heading", name=PLANTED)).to_be_visible()
        await page.keyboard.press("Control+k")
        await page.keyboard.type("img src")
        await expect(page.locator(".palette-option").first).to_contain_text("onerror")
    assert (happened, opened.wrong) == ([], [])
    assert [one for one in asked if not one.startswith((stand.base_url, "data:"))] == []


async def report_planted(stand, key: str) -> None:
    at = rfc3339()
    named = {"id": PLANTED, "name": PLANTED, "error": PLANTED}
    names = ("hostname", "platform", "platform_release", "agent_version", "device_type", "timezone")
    parts = {
        "facts": {**dict.fromkeys(names, PLANTED), "hardware": {"gpu": PLANTED, PLANTED: PLANTED}},
        "logs": [{"at": at, "service": PLANTED, "severity": "error", "message": PLANTED}],
        "events": [
            {"id": "e", "at": at, "event": "planted", "description": PLANTED}
            | {"entity_type": PLANTED, "entity_id": PLANTED, "error_code": PLANTED}
            | {"metadata": {PLANTED: PLANTED}}
        ],
        "streams": [{**named, "status": PLANTED, "pipeline_id": PLANTED}],
        "services": [{**named, "state": PLANTED, "image": PLANTED}],
        "config": {"revision": 1, "digest": PLANTED, "state": "failed", "error": PLANTED},
    }
    body = {"epoch": "e", "sequence": 1, "sent_at": at, **parts}
    auth = {"Authorization": f"Bearer {key}"}
    answer = await stand.api.post("/v1/reports", json=body, headers=auth)
    assert answer.status_code == 200, answer.text


async def test_a_server_that_is_away_is_said_and_what_was_typed_goes_on(stand, browser_page):
    """The last of this file: it takes the server away."""
    await stand.make("ferry-north")
    page = browser_page
    await page.goto("/console/devices?show=all&q=ferry")
    await expect(page.locator("[data-live-state=live]")).to_be_attached(timeout=WITHIN_MS)
    stand.server.stop()
    search = page.locator("#fleet-q")
    await search.fill("ferry-n")
    await expect(page.locator("#lost")).to_be_visible(timeout=WITHIN_MS)
    await expect(page.locator("[data-live-state=live]")).to_have_count(0)
    await expect(search).to_have_value("ferry-n")
    stand.server.start()
    again = page.locator("#lost").get_by_role("button", name="Try again")
    await again.click()
    await expect(page.locator("#lost")).to_be_hidden(timeout=WITHIN_MS)
    await expect(page).to_have_url(re.compile("q=ferry-n"))
    await expect(page.locator(".device-name")).to_have_count(1)
    await expect(page.locator("[data-live-state=live]")).to_be_attached(timeout=WITHIN_MS)
