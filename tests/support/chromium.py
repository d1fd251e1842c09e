"""Debian's Chromium, driven by Playwright; a page that collects what went wrong in it."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Error, Page, async_playwright, expect

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_WITHIN_MS = 30_000
_REFUSED = ("Failed to load resource", "Response Status Error Code", "htmx:")
# A container has a small /dev/shm, and root may not use Chromium's own sandbox.
_OPTIONS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
DESKTOP = {"width": 1360, "height": 860}
PHONE = {"width": 390, "height": 844}
_AXE = Path(__file__).parents[2] / "frontend/node_modules/axe-core/axe.min.js"
# Machines are slow and noisy: five seconds, as it would be, are none.
expect.set_options(timeout=_WITHIN_MS)


def why_not() -> str | None:
    """Why no browser can be driven here, or None."""
    if not any(map(shutil.which, _NAMES)):
        return "no Chromium on this machine (Debian: apt-get install chromium)"
    return None


def axe_core() -> Path:
    """Where the script is that finds what keeps people out, or skip."""
    if not _AXE.exists():
        pytest.skip("no axe-core; `make setup` fetches it with npm")
    return _AXE


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser of the tests' own, or skip with what stands against it."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    path = next(found for found in map(shutil.which, _NAMES) if found)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=_OPTIONS)
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Window:
    """One context of a browser, with cookies of its own; ``wrong`` is what went wrong in pages."""

    context: BrowserContext
    wrong: list[str] = field(default_factory=list)

    async def page(self) -> Page:
        page = await self.context.new_page()
        page.set_default_timeout(_WITHIN_MS)
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on("console", self._said)
        return page

    def _said(self, message: Any) -> None:
        # A refused request is told as an error, too; what it means for the page is the test's.
        if message.type == "error" and not message.text.startswith(_REFUSED):
            self.wrong.append(f"console: {message.text}")


@asynccontextmanager
async def window(browser: Browser, base_url: str, **options: Any) -> AsyncIterator[Window]:
    context = await browser.new_context(
        base_url=base_url, **{"viewport": DESKTOP, "locale": "en-GB", **options}
    )
    opened = Window(context)
    try:
        yield opened
    finally:
        try:
            await context.close()
        except Error:  # the browser itself is gone
            opened.wrong.append("the browser ended")
