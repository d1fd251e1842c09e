# ruff: noqa: INP001 - a tool, no package; it uses what the tests have
"""Takes pictures of every page of the console, light and dark, on a desktop and on a phone.

usage: screenshots.py FOLDER [NAME...]

A server of its own with a filled workspace, Debian's Chromium; ``NAME`` picks pages, such as
``device-logs``. Prints what is wider than the screen and what went wrong in a page.
"""

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from console.filled import ENTRANCE, addresses, fill
from console.stand import Stand
from support.chromium import DESKTOP, PHONE, chromium, window

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": DESKTOP, "color_scheme": "light"},
    "dark": {"viewport": DESKTOP, "color_scheme": "dark"},
    "phone": {"viewport": PHONE, "color_scheme": "light"},
    "phone-dark": {"viewport": PHONE, "color_scheme": "dark"},
}
# For charts and parts that are fetched; a picture of a page still busy is no harm.
_QUIET_MS = 700


async def main(folder: Path, names: list[str]) -> int:
    """Take the pictures; return an exit code."""
    with tempfile.TemporaryDirectory(prefix="moorage-screenshots-") as temporary:
        stand = await Stand(Path(temporary)).begin()
        try:
            there = await fill(stand)
            async with chromium() as browser:
                for look, options in LOOKS.items():
                    await there.beat()
                    for pages, signed_in in ((ENTRANCE, False), (addresses(there), True)):
                        wanted = {k: v for k, v in pages.items() if not names or k in names}
                        async with window(browser, stand.base_url, **options) as opened:
                            if signed_in:
                                await stand.sign_in(opened.context)
                            await take(opened, wanted, look, folder)
        finally:
            await stand.close()
    return 0


async def take(opened: Any, pages: dict[str, str], look: str, folder: Path) -> None:
    """One picture of each page, the whole of it."""
    page = await opened.page()
    for name, path in pages.items():
        answer = await page.goto(path)
        await page.wait_for_timeout(_QUIET_MS)
        await page.screenshot(path=folder / f"{name}-{look}.png", full_page=True)
        wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        told = [f"wider by {wide} px"] if wide > 0 else []
        if answer is not None and answer.status != 200:  # noqa: PLR2004
            told.append(f"answered {answer.status}")
        told += opened.wrong
        opened.wrong.clear()
        print(f"{name}-{look}", *told, sep="; ")  # noqa: T201


if __name__ == "__main__":
    if len(sys.argv) < 2:  # noqa: PLR2004
        sys.exit(__doc__)
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    sys.exit(asyncio.run(main(Path(sys.argv[1]), sys.argv[2:])))
