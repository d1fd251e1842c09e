"""What scripts do on every page: looks, keys, live updates, a server that is away."""

from playwright.async_api import expect

from moorage.core.accounts import Role
from support.accounts import PASSWORD
from support.chromium import PHONE, window

WITHIN_MS = 60_000


async def test_somebody_signs_in_and_out(stand, chromium_browser):
    async with window(chromium_browser, stand.base_url) as opened:
        page = await opened.page()
        await page.goto("/console")
        await page.get_by_label("E-mail address").fill("ada@example.com")
        await page.get_by_label("Password").fill("not this one")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert").first).to_contain_text("wrong")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("heading", name="Devices")).to_be_visible()
        await page.get_by_role("button", name="Your account").click()
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert opened.wrong == []


async def test_the_page_is_live_and_says_so(stand, browser_page):
    await browser_page.goto("/console/devices")
    await expect(browser_page.locator("[data-live-state=live]")).to_be_attached(timeout=WITHIN_MS)


async def test_colours_follow_the_choice_on_the_next_page_too(browser_page):
    await browser_page.goto("/console/devices")
    html = browser_page.locator("html")
    await expect(html).to_have_attribute("data-bs-theme", "light")
    toggle = browser_page.locator("[data-theme-toggle]")
    await toggle.click()
    await toggle.click()
    await expect(html).to_have_attribute("data-bs-theme", "dark")
    await browser_page.reload()
    await expect(html).to_have_attribute("data-bs-theme", "dark")
    await toggle.click()
    await expect(html).to_have_attribute("data-theme-choice", "auto")


async def test_the_first_tab_stop_skips_to_the_content(browser_page):
    await browser_page.goto("/console/devices")
    await browser_page.keyboard.press("Tab")
    await expect(browser_page.locator(".skip-link")).to_be_focused()
    await browser_page.keyboard.press("Enter")
    await expect(browser_page.locator("#main")).to_be_focused()


async def test_a_phone_shows_the_page_without_scrolling_sideways(stand, chromium_browser):
    async with window(chromium_browser, stand.base_url, viewport=PHONE) as opened:
        await stand.sign_in(opened.context)
        page = await opened.page()
        await page.goto("/console/devices")
        wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0
    assert opened.wrong == []


async def test_switching_to_test_mode_from_the_top_bar(stand, chromium_browser):
    async with window(chromium_browser, stand.base_url) as opened:
        await stand.sign_in(opened.context, Role.OPERATOR)
        page = await opened.page()
        await page.goto("/console/devices")
        await page.get_by_role("button", name="acme").click()
        await page.locator("#places button[value=test]").click()
        await expect(page.get_by_text("Test mode:")).to_be_visible()
    assert opened.wrong == []
