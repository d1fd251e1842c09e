"""From the printed link to a device that runs another config and back again, with a real agent."""

import re
from pathlib import Path

from playwright.async_api import expect

from support.accounts import PASSWORD
from support.agent import AgentProcess
from support.chromium import window
from support.server import ServerProcess

WITHIN_MS = 60_000
REFUSED = "E-mail address or password is wrong, or too many tries were made; wait a little."
SAVE = "Save as a new revision"


async def test_the_first_day(chromium_browser, tmp_path):
    server = ServerProcess(tmp_path / "server").start()
    agent = AgentProcess(tmp_path / "agent")
    try:
        async with window(chromium_browser, server.base_url) as opened:
            page = await opened.page()
            await set_up(page, server)
            await add_a_device(page, server, agent)
            await change_its_config(page)
            await refuse_strangers(page)
        assert opened.wrong == []
    finally:
        agent.stop()
        server.stop()


def told_link(server) -> str:
    """Where somebody who reads the server's log finds the link."""
    told = re.search(r'"file": "([^"]+)", "event": "set_up_link_written"', server.log.read_text())
    return Path(told[1]).read_text().strip()


async def set_up(page, server) -> None:
    await page.goto(told_link(server))
    await page.get_by_label("Your name").fill("Ada")
    await page.get_by_label("E-mail address").fill("ada@example.com")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_label("Workspace").fill("harbour")
    await page.get_by_role("button", name="Create account").click()
    await expect(page.get_by_role("heading", name="Devices", exact=True)).to_be_visible()


async def add_a_device(page, server, agent) -> None:
    await page.get_by_role("link", name="Add a device").first.click()
    await page.get_by_label("Name").fill("Gate camera")
    await page.get_by_role("button", name="Make the device and its command").click()
    line = await page.locator("#install-line").text_content()
    await expect(page.locator("[data-waiting=waiting]")).to_be_visible()
    token = re.search(r"inst_\w+", line)[0]
    enrolled = agent.enrol(server.base_url, token)
    assert enrolled.returncode == 0, enrolled.stderr
    agent.start()
    await expect(page.locator("[data-waiting=online]")).to_be_visible(timeout=WITHIN_MS)
    await expect(page.locator(".waiting .hostname")).not_to_be_empty()
    await page.get_by_role("link", name="Open it").click()
    await expect(page.locator(".device-head, .device-state").first).to_contain_text("online")


async def change_its_config(page) -> None:
    """Saved, seen to be applied by the agent, and taken back as a third revision."""
    await page.locator(".device-tabs").get_by_role("link", name="Config").click()
    own = page.get_by_label("The device's own layer, as JSON")
    await own.fill('{"config": {"report_interval_s": 7}}')
    await page.get_by_role("button", name=SAVE).click()
    await expect(page.locator(".config-state")).to_contain_text("revision 2")
    await applied(page, 2)
    row = page.locator("table.revisions tr").filter(
        has=page.get_by_label("Revision 1 before", exact=True)
    )
    await row.get_by_role("button", name=re.compile("Roll back")).click()
    await page.locator("#confirm-yes").click()
    await expect(page.locator(".config-state")).to_contain_text("revision 3")
    await applied(page, 3)
    await expect(own).not_to_have_value(re.compile("report_interval_s"))


async def applied(page, revision: int) -> None:
    state = page.locator(".config-state")
    await expect(state).to_contain_text(f"told of revision {revision}", timeout=WITHIN_MS)
    await expect(state.locator(".applied")).to_have_text("applied", timeout=WITHIN_MS)


async def refuse_strangers(page) -> None:
    """The same words for a wrong password, an unknown account and one that is locked out."""
    await page.get_by_role("button", name="Your account").click()
    await page.get_by_role("button", name="Sign out").click()
    wrong = "not the password"
    tries = [("ada@example.com", wrong)] * 6 + [("nobody@example.com", wrong)]
    for email, password in [*tries, ("ada@example.com", PASSWORD)]:
        await page.get_by_label("E-mail address").fill(email)
        await page.get_by_label("Password").fill(password)
        async with page.expect_navigation():
            await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert")).to_have_text(REFUSED)
        await expect(page.get_by_label("E-mail address")).to_have_value(email)
