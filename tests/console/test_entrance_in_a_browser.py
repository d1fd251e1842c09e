"""The first set-up, an invitation and a second factor, as people go through them in a browser."""

import pyotp
from playwright.async_api import expect

from moorage.core import accounts
from moorage.core.accounts import Role
from support.accounts import PASSWORD, People, cheap
from support.chromium import window
from support.server import ServerProcess


def unforeseen(opened) -> list[str]:
    """What went wrong in pages, but for htmx saying that something was refused."""
    return [one for one in opened.wrong if "Response Status Error Code 4" not in one]


async def fill(page, **fields: str) -> None:
    for label, text in fields.items():
        await page.get_by_label(label.replace("_", " ")).fill(text)


async def test_the_first_start_ends_in_an_owner_with_a_workspace(chromium_browser, tmp_path):
    server = ServerProcess(tmp_path).start()
    try:
        address = (tmp_path / "data" / "set-up-link.txt").read_text().strip()
        async with window(chromium_browser, server.base_url) as opened_window:
            page = await opened_window.page()
            await page.goto(address)
            await fill(page, Your_name="Ada", Password="short")
            await page.get_by_label("E-mail address").fill("ada@example.com")
            await page.get_by_label("Workspace").fill("harbour")
            assert "mlnk_" not in page.url, "the secret is out of the address at once"
            await page.get_by_role("button", name="Create account").click()
            await expect(page.get_by_text("a password is 12 to 256").first).to_be_visible()
            await page.get_by_label("Password").fill(PASSWORD)
            await page.get_by_role("button", name="Create account").click()
            await expect(page.get_by_role("heading", name="Devices", exact=True)).to_be_visible()
            await expect(page.get_by_text("harbour").first).to_be_visible()
            await page.goto(address)
            await expect(page.get_by_text("good no longer")).to_be_visible()
        assert unforeseen(opened_window) == []
    finally:
        server.stop()


async def test_who_is_invited_and_has_an_account_signs_in_and_joins(stand, chromium_browser):
    async def invitation(db):
        people = People(db, cheap())
        await people.set_up("eve@example.com", "elsewhere")
        async with db.write() as tx:
            caller = stand.sessions[Role.OWNER].session.caller
            return await accounts.invite(tx, caller, "eve@example.com", Role.VIEWER)

    link = await stand.database(invitation)
    async with window(chromium_browser, stand.base_url) as opened_window:
        page = await opened_window.page()
        await page.goto(f"/console/invitation#{link.text}")
        await page.get_by_role("link", name="Sign in as eve@example.com").click()
        await fill(page, Password=PASSWORD)
        await page.get_by_label("E-mail address").fill("eve@example.com")
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_role("button", name="Join the workspace").click()
        await expect(page.get_by_text("You have joined")).to_be_visible()
        await expect(page.locator(".place")).to_have_text("acme")
    assert unforeseen(opened_window) == []


async def test_a_second_factor_is_set_up_and_asked_for(stand, chromium_browser):
    async with window(chromium_browser, stand.base_url) as opened_window:
        await stand.sign_in(opened_window.context, Role.OPERATOR)
        page = await opened_window.page()
        await page.goto("/console/account")
        factor = page.locator("#second-factor")
        await factor.get_by_label("Present password").fill("not this one")
        await factor.get_by_role("button", name="Set up").click()
        await expect(factor.get_by_text("not your present password")).to_be_visible()
        await factor.get_by_label("Present password").fill(PASSWORD)
        await factor.get_by_role("button", name="Set up").click()
        await expect(factor.get_by_alt_text("QR code")).to_be_visible()
        secret = (await factor.locator("code").text_content()).replace(" ", "")
        await factor.get_by_label("Code it shows now").fill(pyotp.TOTP(secret).now())
        await factor.get_by_role("button", name="Turn on").click()
        codes = (await factor.locator("#recovery-codes").text_content()).split()
        assert len(codes) == 10
        await page.get_by_role("button", name="Your account").click()
        await page.get_by_role("button", name="Sign out").click()
        await page.get_by_label("E-mail address").fill("operator@example.com")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_label("Code").fill(codes[0])
        await page.get_by_role("button", name="Go on").click()
        await expect(page.get_by_role("heading", name="Devices", exact=True)).to_be_visible()
    assert unforeseen(opened_window) == []


async def test_a_role_that_is_refused_goes_back_to_what_it_is(stand, chromium_browser):
    async with window(chromium_browser, stand.base_url) as opened_window:
        await stand.sign_in(opened_window.context)
        page = await opened_window.page()
        await page.goto("/console/workspace/people")
        mine = page.get_by_role("row", name="ada@example.com").get_by_label("Role of Ada")
        await mine.select_option("viewer")
        await expect(page.get_by_text("keeps at least one owner")).to_be_visible()
        await expect(mine).to_have_value("owner")
    assert unforeseen(opened_window) == []
