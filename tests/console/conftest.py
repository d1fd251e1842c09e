"""Somebody of each role, signed in over both engines."""

import pytest

from console.kit import console_of
from dialects.native_kit import Api


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
