"""Somebody of each role, signed in over both engines."""

import pytest

from console.kit import console_of
from console.stand import Stand
from dialects.native_kit import Api
from support.chromium import chromium, window


@pytest.fixture
def more_settings():
    return {"rate_limits": "off"}


@pytest.fixture
async def console(running):
    async with console_of(running) as found:
        yield found


@pytest.fixture
def api(running) -> Api:
    """The native API of the same workspace, to make what pages show."""
    return Api(running)


@pytest.fixture(scope="session")
async def chromium_browser():
    async with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
async def stand(chromium_browser, tmp_path_factory):
    """A real server for the tests of one file, with somebody of each role."""
    made = await Stand(tmp_path_factory.mktemp("stand")).begin()
    yield made
    await made.close()


@pytest.fixture
async def browser_window(stand, chromium_browser):
    """A browser in which the owner is signed in; nothing may go wrong in its pages."""
    async with window(chromium_browser, stand.base_url) as opened:
        await stand.sign_in(opened.context)
        yield opened
    assert opened.wrong == []


@pytest.fixture
async def browser_page(browser_window):
    return await browser_window.page()
