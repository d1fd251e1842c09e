"""Adding a device and the workspace's pages in a browser, and copied commands as they are run."""

import asyncio
import os
import re
import shlex
import sys

import httpx
from playwright.async_api import expect

from dialects.native_kit import report_of
from moorage.core.accounts import Role
from support.chromium import PHONE, window
from support.devices import rfc3339

WITHIN_MS = 60_000


async def run(stand, *words: str) -> str:
    """What a command of the owner's prints; the key is in its environment, as the pages say."""
    known = {"MOORAGE_API_KEY": stand.key, "MOORAGE_URL": stand.base_url}
    process = await asyncio.create_subprocess_exec(
        *words,
        env={**os.environ, **known},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(120):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


async def test_a_device_is_added_and_seen_to_come_online(stand, browser_page):
    await browser_page.goto("/console/devices")
    await browser_page.get_by_role("link", name="Add a device").first.click()
    await browser_page.get_by_label("Name").fill("Harbour light")
    await browser_page.get_by_label("Tags").fill("site=7")
    # Another tab forgets nothing of what was typed.
    await browser_page.get_by_role("link", name="Virtual").click()
    await browser_page.get_by_role("link", name="Linux command").click()
    await expect(browser_page.get_by_label("Tags")).to_have_value("site=7", timeout=WITHIN_MS)
    await browser_page.get_by_role("button", name="Make the device and its command").click()
    line = await browser_page.locator("#install-line").inner_text(timeout=WITHIN_MS)
    assert "inst_" not in browser_page.url
    panel = browser_page.locator("[data-waiting]")
    await expect(panel).to_have_attribute("data-waiting", "waiting")
    async with httpx.AsyncClient(base_url=stand.base_url, timeout=60) as device:
        url = next(word for word in shlex.split(line) if word.startswith("http"))
        assert (await device.get(url)).status_code == 200
        await expect(panel).to_have_attribute("data-waiting", "fetched", timeout=WITHIN_MS)
        body = {"install_token": re.search(r"inst_[0-9a-f]{48}", line)[0]}
        key = (await device.post("/v1/enroll", json=body)).json()["device_key"]
        await expect(panel).to_have_attribute("data-waiting", "enrolled", timeout=WITHIN_MS)
        report = {"sent_at": rfc3339(), "facts": {"hostname": "light-pi"}}
        auth = {"Authorization": f"Bearer {key}"}
        answer = await device.post("/v1/reports", json=report_of(**report), headers=auth)
        assert answer.status_code == 200, answer.text
    await expect(panel).to_have_attribute("data-waiting", "online", timeout=WITHIN_MS)
    await expect(panel).to_contain_text("light-pi")
    await panel.get_by_role("link", name="Open it").click()
    await expect(browser_page.get_by_role("heading", name="Harbour light")).to_be_visible()


async def test_a_token_for_many_stays_in_sight_while_devices_come_with_it(stand, browser_page):
    await browser_page.goto("/console/devices/add?how=many")
    await browser_page.get_by_label("Name of the token").fill("Line 3")
    await browser_page.get_by_label("For how many devices").fill("2")
    await browser_page.get_by_role("button", name="Make the token").click()
    line = browser_page.locator(".made-token .paste code")
    await expect(line).to_contain_text("apt_", timeout=WITHIN_MS)
    token = re.search(r"apt_[0-9a-f]{48}", await line.inner_text())[0]
    body = {"provisioning_token": token, "device": {"device_id": "hw-browser"}}
    assert (await stand.api.post("/v1/enroll", json=body)).status_code == 200
    uses = browser_page.locator(".uses")
    await expect(uses).to_contain_text("1 device of 2", timeout=WITHIN_MS)
    await expect(line).to_contain_text(token)


async def test_the_calls_of_the_api_tab_are_run_as_they_are_copied(stand, browser_page):
    await browser_page.goto("/console/devices/add?how=api&name=by+script&type=cam&tags=a")
    curl, cli, python = await browser_page.locator(".snippet code").all_inner_texts()
    failing = curl.replace("curl", "curl -fsS", 1)
    assert "install_command" in await run(stand, "bash", "-c", failing)
    assert "curl -fsSL" in await run(stand, sys.executable, "-c", python)
    words = shlex.split(cli.replace(" --wait", " --dry-run"))[1:]
    assert "by script" in await run(stand, sys.executable, "-m", "moorage.cli", *words)
    named = (await stand.api.get("/v1/devices", params={"q": "by script"})).json()["data"]
    assert [(one["type"], one["tags"]) for one in named] == [("cam", ["a"])] * 2


async def test_the_default_config_is_checked_while_typing_and_saved(browser_page):
    await browser_page.goto("/console/workspace/config")
    area = browser_page.locator("#f-patch")
    await area.fill('{"config": {"log_level": "loud"}}')
    wrong = browser_page.locator("[data-checked=wrong]")
    await expect(wrong).to_contain_text("/config/log_level", timeout=WITHIN_MS)
    await browser_page.get_by_role("button", name="Save for new devices").click()
    await expect(browser_page.locator("#notices")).to_contain_text(
        "debug, info, warning", timeout=WITHIN_MS
    )
    await expect(area).to_have_value('{"config": {"log_level": "loud"}}')
    await area.fill('{"config": {"log_level": "debug"}}')
    right = browser_page.locator("[data-checked=changes]")
    await expect(right).to_contain_text("/config/log_level", timeout=WITHIN_MS)
    await browser_page.get_by_role("button", name="Save for new devices").click()
    document = browser_page.locator("pre.document").first
    await expect(document).to_contain_text("debug", timeout=WITHIN_MS)


async def test_a_key_is_made_rolled_and_revoked_by_hand(browser_page):
    await browser_page.goto("/console/workspace/keys")
    await browser_page.locator("#maker summary").click()
    await browser_page.get_by_label("Name").fill("Nightly")
    await browser_page.get_by_role("button", name="Make the key").click()
    made = browser_page.locator(".shown-once code")
    await expect(made).to_contain_text("sk_live_", timeout=WITHIN_MS)
    first = await made.inner_text()
    row = browser_page.get_by_role("row", name="Nightly").first
    await row.get_by_role("button", name="Actions for Nightly").click()
    await browser_page.get_by_role("button", name="Roll").first.click()
    await browser_page.locator("#confirm-yes").click()
    await expect(made).not_to_have_text(first, timeout=WITHIN_MS)
    await expect(made).to_contain_text("sk_live_")
    await row.get_by_role("button", name="Actions for Nightly").click()
    await browser_page.get_by_role("button", name="Revoke").first.click()
    await expect(browser_page.locator("#confirm-question")).to_contain_text("for good")
    await browser_page.locator("#confirm-yes").click()
    await expect(browser_page.locator("#notices")).to_contain_text("Nightly", timeout=WITHIN_MS)


async def test_a_phone_shows_the_pages_without_scrolling_sideways(stand, chromium_browser):
    async with window(chromium_browser, stand.base_url, viewport=PHONE) as opened:
        await stand.sign_in(opened.context, Role.OWNER)
        page = await opened.page()
        names = ("keys", "tokens", "config", "audit", "health")
        adding = ("devices/add", "devices/add?how=many", "devices/add?how=api")
        for path in (*adding, *(f"workspace/{name}" for name in names)):
            await page.goto(f"/console/{path}")
            wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, path
    assert opened.wrong == []
