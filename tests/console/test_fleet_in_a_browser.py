"""What scripts do on the fleet page: search, selection, changes to many, rows that live on."""

from playwright.async_api import expect

from moorage.core.accounts import Role
from support.chromium import PHONE, window

WITHIN_MS = 60_000


async def names(page) -> list[str]:
    found = await page.locator(".device-name").all_inner_texts()
    return [one.strip() for one in found]


async def test_the_search_finds_while_somebody_types_and_stands_in_the_address(stand, browser_page):
    for name in ("search-one", "search-two", "search-three"):
        await stand.make(name)
    page = browser_page
    await page.goto("/console/devices?show=all&q=search-&sort=name")
    assert await names(page) == ["search-one", "search-three", "search-two"]
    await page.locator("#fleet-q").fill("search-t")
    await expect(page.locator(".device-name")).to_have_count(2, timeout=WITHIN_MS)
    assert "q=search-t" in page.url
    assert "sort=name" in page.url
    await page.get_by_role("link", name="Take away the filter text: search-t").click()
    await expect(page.locator("#fleet-q")).to_have_value("")
    await page.go_back()
    await expect(page.locator(".device-name")).to_have_count(2, timeout=WITHIN_MS)


async def test_many_are_tagged_at_once_and_each_is_told(stand, browser_page):
    for number in range(120):
        await stand.make(f"bulk-{number:03d}")
    page = browser_page
    await page.goto("/console/devices?show=all&q=bulk-")
    await page.get_by_label("Select all on this page").check()
    await expect(page.locator("[data-bulk-count]")).to_have_text("50")
    await page.get_by_role("button", name="Select all 120").click()
    await page.get_by_role("button", name="Tag", exact=True).click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("120 devices")
    await dialog.get_by_label("Tags").fill("spring, blue")
    await dialog.get_by_role("button", name="Tag").click()
    await expect(dialog.locator("[data-bulk-over]")).to_have_text(
        "Done: 120 of 120, 0 failed.", timeout=WITHIN_MS
    )
    await expect(dialog.locator(".bulk-results .ok")).to_have_count(120)
    await dialog.get_by_role("button", name="Close").click()
    await expect(page.locator("tbody .tag").first).to_be_visible()
    found = await stand.api.get("/v1/devices", params={"tag": "spring", "limit": 500})
    assert len(found.json()["data"]) == 120


async def test_a_fault_stands_at_its_field_and_what_was_typed_stays(stand, browser_page):
    await stand.make("faulty")
    page = browser_page
    await page.goto("/console/devices?show=all&q=faulty")
    await page.get_by_label("Select faulty").check()
    await page.get_by_role("button", name="Config").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Merge patch").fill('{"config": ')
    await dialog.get_by_role("button", name="Change config").click()
    await expect(dialog.locator("[data-wrong=document]")).to_contain_text("no JSON")
    await expect(dialog.get_by_label("Merge patch")).to_have_value('{"config": ')
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()


async def test_rows_tell_changes_without_losing_the_selection(stand, browser_page):
    made = await stand.make("living")
    page = browser_page
    await page.goto("/console/devices?show=all&q=living")
    await expect(page.locator("[data-live-state=live]")).to_be_attached(timeout=WITHIN_MS)
    await page.get_by_label("Select living").check()
    await expect(page.locator(f"#row-{made['id']} .presence-word")).to_have_text("never seen")
    enrolled = await stand.api.post("/v1/enroll", json={"install_token": made["install_token"]})
    key = enrolled.json()["device_key"]
    told = await stand.api.post(
        "/v1/reports",
        json={"epoch": "e", "sequence": 1, "sent_at": "2026-11-21T10:00:00.000Z"},
        headers={"Authorization": f"Bearer {key}"},
    )
    assert told.status_code == 200, told.text
    word = page.locator(f"#row-{made['id']} .presence-word")
    await expect(word).to_have_text("online", timeout=WITHIN_MS)
    await expect(page.get_by_label("Select living")).to_be_checked()
    await expect(page.locator("[data-bulk-count]")).to_have_text("1")


async def test_columns_are_chosen(stand, browser_page):
    await stand.make("columns")
    page = browser_page
    await page.goto("/console/devices?show=all&q=columns")
    await page.get_by_role("button", name="Columns").click()
    await page.get_by_label("Id", exact=True).check()
    await page.get_by_role("button", name="Show these").click()
    await expect(page.locator("td.col-id")).to_have_count(1)
    assert "columns=id" in page.url


async def test_a_viewer_selects_nothing(stand, chromium_browser):
    await stand.make("looked-at")
    async with window(chromium_browser, stand.base_url, viewport=PHONE) as opened:
        await stand.sign_in(opened.context, Role.VIEWER)
        page = await opened.page()
        await page.goto("/console/devices?show=all&q=looked-at")
        await expect(page.locator(".device-name")).to_have_count(1)
        assert await page.locator("#selection input[type=checkbox]").count() == 0
        assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert opened.wrong == []


async def test_a_server_that_is_away_is_said_and_asked_again(stand, browser_page):
    await stand.make("away-one")
    page = browser_page
    await page.goto("/console/devices?show=all&q=away-")
    await page.context.set_offline(True)
    await page.locator("#fleet-q").fill("away-on")
    await expect(page.locator("#lost")).to_be_visible(timeout=WITHIN_MS)
    await expect(page.locator("#fleet-q")).to_have_value("away-on")
    await page.context.set_offline(False)
    await page.locator("#lost").get_by_role("button", name="Try again").click()
    await expect(page.locator("#lost")).to_be_hidden(timeout=WITHIN_MS)
    await expect(page.locator(".device-name")).to_have_count(1)


async def test_whoever_is_signed_out_elsewhere_loses_nothing_typed(stand, chromium_browser):
    made = await stand.make("typed")
    async with window(chromium_browser, stand.base_url) as opened:
        await stand.sign_in(opened.context, Role.OPERATOR)
        page = await opened.page()
        await page.goto("/console/devices?show=all&q=typed")
        await page.get_by_label("Select typed").check()
        await page.get_by_role("button", name="Tag", exact=True).click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Tags").fill("not lost")
        await opened.context.clear_cookies()
        await dialog.get_by_role("button", name="Tag").click()
        await expect(page.locator(".notice-danger")).to_contain_text("signed out")
        # Seen and reached though a dialog lies above the page.
        sign_in = page.locator(".notice-danger").get_by_role("link", name="Sign in")
        await sign_in.click(trial=True)
        await expect(dialog.get_by_label("Tags")).to_have_value("not lost")
        # Signed in again, in another tab as it were: with another session and its own token.
        await stand.sign_in(opened.context, Role.OWNER)
        await page.evaluate("dispatchEvent(new Event('focus'))")
        await expect(page.locator(".notice-danger")).to_have_count(0)
        await dialog.get_by_role("button", name="Tag").click()
        await expect(dialog.locator("[data-bulk-over]")).to_contain_text("Done: 1 of 1, 0 failed")
    found = await stand.api.get(f"/v1/devices/{made['id']}")
    assert found.json()["tags"] == ["not lost"]
    assert opened.wrong == []
