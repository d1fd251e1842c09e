"""The command palette: what it finds, for whom; and its keys, in a browser."""

import re

from playwright.async_api import expect

from dialects.native_kit import on_sqlite
from support.devices import rfc3339

PAGE = "/console/palette"
WITHIN_MS = 60_000


async def titles(person, typed: str) -> list[str]:
    answer = await person.client.get(PAGE, params={"q": typed})
    assert answer.status_code == 200, answer.text
    return re.findall(r'palette-title">([^<]*)<', answer.text)


async def test_a_device_is_found_by_name_id_host_and_reference(console, api):
    made = await api.make("North gate", reference="asset-77")
    device = await api.enroll(made)
    told = await api.report(device, sent_at=rfc3339(), facts={"hostname": "pi-gate-4"})
    assert told.status_code == 200, told.text
    await api.make("Another")
    for typed in ("north", "NORTH GATE", made["id"], "pi-gate", "asset-77", "  gate "):
        assert "North gate" in await titles(console.viewer, typed), typed
        assert "Another" not in await titles(console.viewer, typed), typed
    assert await titles(console.viewer, "no such thing") == []


@on_sqlite
async def test_whoever_typed_all_of_a_name_finds_that_one_first(console, api):
    for name in ("a cam", "b cam", "cam"):
        await api.make(name)
    assert (await titles(console.owner, "Cam"))[0] == "cam"


@on_sqlite
async def test_of_many_the_first_are_shown_and_a_way_to_all(console, api):
    for number in range(12):
        await api.make(f"cam {number}")
    found = await titles(console.owner, "cam")
    assert len([one for one in found if one.startswith("cam")]) == 8
    assert found[-1] == "All devices that fit"


@on_sqlite
async def test_pages_and_actions_are_those_of_the_role(console):
    owner, viewer = await titles(console.owner, ""), await titles(console.viewer, "")
    assert {"Devices", "API keys", "Add a device", "Switch to test mode", "Sign out"} <= set(owner)
    assert not {"API keys", "People", "Add a device"} & set(viewer)
    assert await titles(console.owner, "mode test") == ["Switch to test mode"]


@on_sqlite
async def test_a_name_that_would_be_script_is_text(console, api):
    await api.make("<img src=x onerror=planted()>", reference='"><script>planted()</script>')
    shown = await console.owner.page(f"{PAGE}?q=planted")
    assert "&lt;img" in shown
    assert ("<img" in shown, "<script" in shown) == (False, False)


@on_sqlite
async def test_devices_of_the_other_mode_are_not_found(console, api, running):
    await api.make("sandbox cam", key=running.test_key)
    assert "sandbox cam" not in await titles(console.owner, "sandbox")


async def typed_in(page, text: str):
    await page.keyboard.press("Control+k")
    box = page.get_by_role("combobox")
    await expect(box).to_be_focused(timeout=WITHIN_MS)
    await page.keyboard.type(text)
    return box


async def test_ctrl_k_then_a_name_and_enter_open_the_device(stand, browser_page):
    made = await stand.make("Lighthouse")
    await browser_page.goto("/console/account")
    await typed_in(browser_page, "lighth")
    # At once: the answer to what was typed is waited for, not what stood there before.
    await browser_page.keyboard.press("Enter")
    await browser_page.wait_for_url(f"**/console/devices/{made['id']}", timeout=WITHIN_MS)


async def test_what_is_typed_before_htmx_knows_the_field_counts(stand, browser_page):
    await stand.make("Breakwater")
    await browser_page.goto("/console/account")
    await browser_page.evaluate("htmx.config.defaultSettleDelay = 600_000")
    await typed_in(browser_page, "breakw")
    found = browser_page.locator("#palette-options [role=option]").first
    await expect(found).to_contain_text("Breakwater", timeout=WITHIN_MS)


async def test_arrows_choose_and_what_is_chosen_is_told(browser_page):
    await browser_page.goto("/console/devices")
    box = await typed_in(browser_page, "colours")
    options = browser_page.locator("#palette-options [role=option]")
    await expect(options).to_have_count(3, timeout=WITHIN_MS)
    first = await options.nth(0).get_attribute("id")
    await expect(box).to_have_attribute("aria-activedescendant", first)
    await browser_page.keyboard.press("ArrowDown")
    await expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    await expect(options.nth(0)).to_have_attribute("aria-selected", "false")
    await browser_page.keyboard.press("Enter")
    html = browser_page.locator("html")
    await expect(html).to_have_attribute("data-bs-theme", "dark")
    await expect(browser_page.locator("[data-palette-dialog]")).to_be_hidden()
    await browser_page.keyboard.press("Control+k")
    await expect(browser_page.get_by_role("combobox")).to_be_focused(timeout=WITHIN_MS)
    await browser_page.keyboard.press("Escape")
    await expect(browser_page.locator("[data-palette-dialog]")).to_be_hidden()


async def test_the_mode_is_switched_from_the_palette(browser_page):
    await browser_page.goto("/console/devices")
    await typed_in(browser_page, "switch")
    await browser_page.keyboard.press("Enter")
    await expect(browser_page.get_by_text("Test mode:")).to_be_visible(timeout=WITHIN_MS)
    await typed_in(browser_page, "switch to live")
    await browser_page.keyboard.press("Enter")
    await expect(browser_page.get_by_text("Test mode:")).to_be_hidden(timeout=WITHIN_MS)
