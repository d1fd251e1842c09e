"""Every page by axe-core (WCAG 2, levels A and AA), light and dark, on a desktop and on a phone.

Beside it: nothing is wider than a phone's screen, nothing goes wrong in a page's scripts, and the
policy of what may run and load is kept.
"""

from typing import Any

import httpx
import pytest
from starlette.routing import compile_path

from console.filled import ENTRANCE, Filled, addresses, fill
from console.kit import COOKIE, filled, pages
from moorage.console import app
from moorage.core.accounts import Role
from support.chromium import DESKTOP, PHONE, axe_core, window

_LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# What other colours can change; the rest is the same in light and dark.
_OF_COLOURS = ["color-contrast", "link-in-text-block"]
# What fades from one colour to another has neither.
_STILL = """
const still = new CSSStyleSheet();
still.replaceSync('*, ::before, ::after { transition: none !important }');
document.adoptedStyleSheets = [still];
"""
_COLOURED = """async () => {
  const painted = () => new Promise((done) => requestAnimationFrame(done));
  for (let count = 0; count < 3; count += 1) await painted();
  return document.documentElement.dataset.bsTheme;
}"""
_QUIET = "() => !document.querySelector('.htmx-request, .htmx-settling')"
_FOUND = """async (only) => {
  const run = only.rules ? {type: 'rule', values: only.rules} : {type: 'tag', values: only.tags};
  const found = await axe.run(document, {runOnly: run, resultTypes: ['violations']});
  return found.violations.flatMap((one) =>
    one.nodes.map((node) => `${one.id}: ${node.target}: ${node.failureSummary}`));
}"""


def there(path: str) -> bool:
    """Whether a page of this address is built."""
    path = path.partition("?")[0]
    known = [one for method, one, _ in (*app.PAGES, *app.ENTRANCE) if method == "GET"]
    return any(compile_path(one)[0].match(path) for one in known)


def names() -> list[str]:
    any_ids = Filled("dev_1", "dev_1", "dev_1", "dev_1", "1")
    return [name for name, path in addresses(any_ids).items() if there(path)]


@pytest.fixture(scope="module")
async def workspace(stand) -> Filled:
    return await fill(stand)


@pytest.fixture(scope="module")
async def seen_by_owner(stand, workspace, chromium_browser):
    async with window(chromium_browser, stand.base_url, reduced_motion="reduce") as opened:
        await stand.sign_in(opened.context)
        await opened.context.add_init_script(path=axe_core())
        await opened.context.add_init_script(_STILL)
        yield opened, await opened.page()


@pytest.fixture(scope="module")
async def seen_by_nobody(stand, chromium_browser):
    async with window(chromium_browser, stand.base_url, reduced_motion="reduce") as opened:
        await opened.context.add_init_script(path=axe_core())
        await opened.context.add_init_script(_STILL)
        yield opened, await opened.page()


@pytest.mark.parametrize("name", names())
async def test_a_page_is_fit_for_everybody(seen_by_owner, workspace, name):
    opened, page = seen_by_owner
    await fit(opened, page, addresses(workspace)[name])


@pytest.mark.parametrize("name", list(ENTRANCE))
async def test_a_page_before_signing_in_is_fit_for_everybody(seen_by_nobody, name):
    opened, page = seen_by_nobody
    await fit(opened, page, ENTRANCE[name])


async def fit(opened: Any, page: Any, path: str) -> None:
    opened.wrong.clear()
    await page.set_viewport_size(DESKTOP)
    await page.goto(path, wait_until="load")
    await page.wait_for_function(_QUIET)
    found = await look(page, "light", {"tags": _LEVELS})
    found += await look(page, "dark", {"rules": _OF_COLOURS})
    await page.set_viewport_size(PHONE)
    found += await look(page, "dark", {"tags": _LEVELS})
    found += await look(page, "light", {"rules": _OF_COLOURS})
    wider = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert not found, "\n".join(found)
    assert wider <= 0
    assert opened.wrong == []


async def look(page: Any, scheme: str, only: dict[str, Any]) -> list[str]:
    await page.emulate_media(color_scheme=scheme)
    assert await page.evaluate(_COLOURED) == scheme
    return [f"{scheme}: {one}" for one in await page.evaluate(_FOUND, only)]


async def test_every_page_there_is_is_looked_at(stand, workspace):
    """A new page is to be among ``addresses``; parts of pages are seen within theirs."""
    known = [path.partition("?")[0] for path in addresses(workspace).values()]
    cookies = {COOKIE: stand.sessions[Role.OWNER].text}
    async with httpx.AsyncClient(base_url=stand.base_url, cookies=cookies, timeout=60) as client:
        for path in pages("GET"):
            if path == "/console/events":  # a stream, without an end
                continue
            if any(compile_path(path)[0].match(one) for one in known):
                continue
            answer = await client.get(
                filled(path, device_id=workspace.main, token_id=workspace.token)
            )
            assert "<main" not in answer.text or answer.status_code != 200, path
