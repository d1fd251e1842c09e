"""What scripts do on a device's tabs: the log goes on by itself, commands are put together."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import expect

from support.devices import rfc3339

WITHIN_MS = 60_000


class Talker:
    """A device that writes lines to a real server."""

    def __init__(self, stand, device_id: str, key: str) -> None:
        self.stand, self.device_id = stand, device_id
        self.auth = {"Authorization": f"Bearer {key}"}
        self.sequence = 0
        self.at = datetime.now(UTC) - timedelta(minutes=1)
        self.path = f"/console/devices/{device_id}"

    async def write(self, *texts: str) -> None:
        lines = []
        for text in texts:
            self.at += timedelta(milliseconds=1)
            line = {"at": rfc3339(self.at), "service": "camera", "severity": "info"}
            lines.append({**line, "message": text})
        self.sequence += 1
        body = {"epoch": "e", "sequence": self.sequence, "sent_at": rfc3339(), "logs": lines}
        answer = await self.stand.api.post("/v1/reports", json=body, headers=self.auth)
        assert answer.status_code == 200, answer.text


@pytest.fixture
async def talker(stand):
    made = await stand.make("talker")
    token = {"install_token": made["install_token"]}
    enrolled = (await stand.api.post("/v1/enroll", json=token)).json()
    return Talker(stand, enrolled["device_id"], enrolled["device_key"])


def lines(page):
    return page.locator(".log-line")


async def test_the_log_follows_waits_while_somebody_reads_and_goes_on(browser_page, talker):
    await talker.write(*(f"line {number}" for number in range(150)))
    await browser_page.goto(f"{talker.path}/logs")
    view, waiting = (
        browser_page.locator("[data-log-view]"),
        browser_page.locator("[data-log-pending]"),
    )
    await talker.write("first news")
    await expect(lines(browser_page).last).to_contain_text("first news", timeout=WITHIN_MS)
    await expect(lines(browser_page).last).to_be_in_viewport()
    await view.evaluate("view => { view.scrollTop = 100 }")
    await expect(browser_page.locator("[data-log-state]")).to_have_text("paused", timeout=WITHIN_MS)
    await talker.write("second news", "third news")
    await expect(waiting).to_have_text("2 new lines", timeout=WITHIN_MS)
    await expect(lines(browser_page)).to_have_count(151)
    await waiting.click()
    await expect(lines(browser_page).last).to_contain_text("third news")
    await expect(lines(browser_page)).to_have_count(153)
    await expect(lines(browser_page).last).to_be_in_viewport()


async def test_searching_keeps_what_is_typed_and_marks_what_is_found(browser_page, talker):
    await talker.write("frame lost", "frame kept", "<b>LOST</b> again")
    await browser_page.goto(f"{talker.path}/logs")
    search = browser_page.get_by_label("Search in messages")
    await search.press_sequentially("lost", delay=30)
    await expect(lines(browser_page)).to_have_count(2, timeout=WITHIN_MS)
    await expect(browser_page.locator("mark")).to_have_text(["lost", "LOST"])
    await expect(search).to_be_focused()
    await expect(search).to_have_value("lost")
    assert "q=lost" in browser_page.url
    await talker.write("kept", "lost once more")
    await expect(lines(browser_page)).to_have_count(3, timeout=WITHIN_MS)


async def test_a_link_to_a_line_opens_the_log_around_it_and_leads_back_to_the_end(
    browser_page, talker
):
    await talker.write(*(f"line {number}" for number in range(400)))
    await browser_page.goto(f"{talker.path}/logs")
    await browser_page.locator("[data-log-older]").click()
    await expect(lines(browser_page)).to_have_count(400, timeout=WITHIN_MS)
    await lines(browser_page).nth(50).locator("a.log-time").click()
    marked = browser_page.locator(".log-marked")
    await expect(marked).to_contain_text("line 50")
    await expect(marked).to_be_in_viewport()
    await expect(browser_page.locator("[data-log-follow]")).to_be_hidden()
    await browser_page.get_by_role("link", name="To the newest").click()
    await expect(lines(browser_page).last).to_contain_text("line 399")


async def test_a_page_never_holds_more_lines_than_a_browser_scrolls_with_ease(browser_page, talker):
    for part in range(5):
        await talker.write(*(f"line {part * 500 + number}" for number in range(500)))
    await browser_page.goto(f"{talker.path}/logs")
    older = browser_page.locator("[data-log-older]")
    first = lines(browser_page).first
    for begins in range(2100, -1, -200):
        await older.click()
        await expect(first).to_contain_text(f"line {begins}", timeout=WITHIN_MS)
    await expect(lines(browser_page)).to_have_count(2000)
    await expect(lines(browser_page).last).to_contain_text("line 2099")
    await browser_page.locator("[data-log-newer]").click()
    await expect(lines(browser_page).last).to_contain_text("line 2299", timeout=WITHIN_MS)
    await expect(lines(browser_page)).to_have_count(2000)


async def test_a_command_is_put_together_asked_about_and_shown(browser_page, talker):
    await browser_page.goto(f"{talker.path}/commands")
    await browser_page.locator("#f-kind").select_option("restart_service")
    field, send = (
        browser_page.locator("#f-service"),
        browser_page.locator("#command-draft .btn-primary"),
    )
    await expect(field).to_be_visible(timeout=WITHIN_MS)
    await send.click()
    await browser_page.locator("#confirm-yes").click()
    await expect(browser_page.locator("#w-service")).to_contain_text("needs the argument service")
    await field.fill("camera")
    await send.click()
    await browser_page.locator("#confirm-yes").click()
    row = browser_page.locator("#commands tbody tr")
    await expect(row).to_contain_text("restart_service", timeout=WITHIN_MS)
    await expect(row).to_contain_text("queued")
    await expect(field).to_have_value("camera")
    await row.get_by_role("button", name="Cancel").click()
    await browser_page.locator("#confirm-yes").click()
    await expect(row).to_contain_text("cancelled", timeout=WITHIN_MS)


async def test_a_list_waits_while_a_question_about_one_of_its_rows_is_asked(browser_page, talker):
    path = f"/v1/devices/{talker.device_id}/commands"
    await talker.stand.api.post(path, json={"kind": "ping"})
    await browser_page.goto(f"{talker.path}/commands")
    rows = browser_page.locator("#commands tbody tr")
    await rows.get_by_role("button", name="Cancel").click()
    # Longer than the list takes to ask for itself anew once something happened.
    await browser_page.evaluate(
        """() => { window.changed = new Promise((done) => document.body.addEventListener(
            "device:changed", () => setTimeout(done, 2000), { once: true })); }"""
    )
    await talker.stand.api.post(path, json={"kind": "collect_logs"})
    await browser_page.evaluate("() => window.changed")
    await browser_page.locator("#confirm-yes").click()
    await expect(rows.filter(has_text="ping")).to_contain_text("cancelled", timeout=WITHIN_MS)
    await expect(rows).to_have_count(2)


async def test_what_was_opened_stays_open_when_the_timeline_comes_anew(browser_page, talker):
    await talker.stand.api.post(f"/v1/devices/{talker.device_id}/commands", json={"kind": "ping"})
    await browser_page.goto(f"{talker.path}/events")
    fold = browser_page.locator("details.timeline-details").first
    await fold.locator("summary").click()
    opened = await fold.get_attribute("id")
    await talker.stand.api.post(f"/v1/devices/{talker.device_id}/commands", json={"kind": "ping"})
    await expect(browser_page.get_by_text("command.queued")).to_have_count(2, timeout=WITHIN_MS)
    await expect(browser_page.locator(f"#{opened}")).to_have_attribute("open", "")
