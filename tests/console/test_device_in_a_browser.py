"""A device's page in a browser: charts, the pencil, the editor, two people at once."""

import json

import pytest
from playwright.async_api import expect

from moorage.core.accounts import Role
from support.chromium import PHONE, window
from support.devices import rfc3339

WITHIN_MS = 60_000
OWN = {"services": {"web": {"image": "web:1", "environment_variables": {"TOKEN": "s3cret"}}}}


@pytest.fixture
async def device(stand, request):
    """A device that reported a sample, with a config of its own."""
    made = await stand.make(request.node.name[:200])
    told = {"install_token": made["install_token"]}
    enrolled = await stand.api.post("/v1/enroll", json=told)
    at = rfc3339()
    sample = {"at": at, "cpu_percent": 41.0, "memory_percent": 62.0, "temperature_c": 51.0}
    report = {"epoch": "e", "sequence": 1, "sent_at": at, "telemetry": [sample]}
    key = {"Authorization": f"Bearer {enrolled.json()['device_key']}"}
    assert (await stand.api.post("/v1/reports", json=report, headers=key)).status_code == 200
    await change(stand, made["id"], OWN)
    return made["id"]


async def change(stand, device, patch):
    answer = await stand.api.patch(f"/v1/devices/{device}/config", json=patch)
    assert answer.status_code == 200, answer.text


async def config_of(stand, device):
    return (await stand.api.get(f"/v1/devices/{device}/config")).json()


def editor(page):
    return page.get_by_label("The device's own layer, as JSON")


async def test_telemetry_is_drawn_and_the_period_stands_in_the_address(browser_page, device):
    await browser_page.goto(f"/console/devices/{device}?period=1h")
    figures = browser_page.locator("figure.chart")
    await expect(figures).to_have_count(3, timeout=WITHIN_MS)
    await expect(figures.first).to_contain_text("mean 41 %")
    await browser_page.get_by_role("link", name="7 days").click()
    await expect(browser_page).to_have_url(f"{browser_page.url.split('?')[0]}?period=7d")
    await expect(figures).to_have_count(3, timeout=WITHIN_MS)


async def test_a_device_is_renamed_with_the_pencil(browser_page, device):
    await browser_page.goto(f"/console/devices/{device}")
    await browser_page.get_by_role("button", name="Edit name").click()
    name = browser_page.get_by_label("Name", exact=True)
    await expect(name).to_be_focused()
    await name.fill("Gate, north")
    await name.press("Enter")
    await expect(browser_page.get_by_role("heading", name="Gate, north")).to_be_visible()


async def test_the_head_follows_what_happens(stand, browser_page, device):
    await browser_page.goto(f"/console/devices/{device}")
    await expect(browser_page.locator("[data-live-state=live]")).to_be_attached(timeout=WITHIN_MS)
    answer = await stand.api.patch(f"/v1/devices/{device}", json={"approval": "rejected"})
    assert answer.status_code == 200
    warning = browser_page.get_by_role("heading", name="Rejected")
    await expect(warning).to_be_visible(timeout=WITHIN_MS)


async def test_the_editor_names_the_line_as_somebody_types(stand, browser_page, device):
    await browser_page.goto(f"/console/devices/{device}/config")
    check = browser_page.locator("#config-check")
    await expect(check).to_contain_text("is to run already", timeout=WITHIN_MS)
    await editor(browser_page).fill('{\n  "config": {\n    "report_interval_s": 1\n  }\n}')
    await expect(check).to_contain_text("line 3", timeout=WITHIN_MS)
    await expect(browser_page.locator(".editor-lines .bad")).to_have_text("3")
    await editor(browser_page).fill('{"config": {"report_interval_s": 60}}')
    await expect(check).to_contain_text("/config/report_interval_s", timeout=WITHIN_MS)
    await browser_page.get_by_role("button", name="Save as a new revision").click()
    await expect(browser_page.get_by_text("Saved as revision 3.")).to_be_visible()
    found = await config_of(stand, device)
    assert found["document"]["config"]["report_interval_s"] == 60


async def test_two_people_edit_at_once_and_nothing_is_lost(stand, browser_window, device):
    page = await browser_window.page()
    await page.goto(f"/console/devices/{device}/config")
    await change(stand, device, {"config": {"site": "south"}})
    mine = json.dumps({**OWN, "config": {"log_level": "debug"}})
    await editor(page).fill(mine.replace("s3cret", "********"))
    await page.get_by_role("button", name="Save as a new revision").click()
    heading = page.get_by_role("heading", name="Somebody else changed this meanwhile")
    await expect(heading).to_be_visible(timeout=WITHIN_MS)
    await page.get_by_role("button", name="Yours only").click()
    await expect(editor(page)).to_have_value(mine.replace("s3cret", "********"))
    await page.get_by_role("button", name="Both changes together").click()
    await change(stand, device, {"config": {"site": "north"}})
    await page.get_by_role("button", name="Save as a new revision").click()
    await expect(page.get_by_text("begun with revision 4")).to_be_visible(timeout=WITHIN_MS)
    await page.get_by_role("button", name="Save as a new revision").click()
    await expect(page.get_by_text("Saved as revision 5.")).to_be_visible(timeout=WITHIN_MS)
    document = (await config_of(stand, device))["document"]
    assert (document["config"]["log_level"], document["config"]["site"]) == ("debug", "north")
    assert document["services"]["web"]["environment_variables"]["TOKEN"] == "s3cret"


async def test_a_rollback_is_asked_about_first(stand, browser_page, device):
    await browser_page.goto(f"/console/devices/{device}/config")
    await browser_page.get_by_role("button", name="Roll back").click()
    dialog = browser_page.get_by_role("dialog")
    await expect(dialog).to_contain_text("Roll back to revision 1?")
    await dialog.get_by_role("button", name="Roll back").click()
    await expect(browser_page.get_by_text("Revision 3 is as 1 was.")).to_be_visible()
    assert (await config_of(stand, device))["document"]["services"] == {}


async def test_a_phone_shows_each_part_without_scrolling_sideways(stand, chromium_browser, device):
    async with window(chromium_browser, stand.base_url, viewport=PHONE) as opened:
        await stand.sign_in(opened.context, Role.OPERATOR)
        page = await opened.page()
        for part in ("", "/config", "/config/compare?a=1&b=2"):
            await page.goto(f"/console/devices/{device}{part}")
            wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, part
    assert opened.wrong == []
