"""The Flatpeak API of a server whose clock stands still."""

from collections.abc import AsyncIterator

import pytest

from dialects.flatpeak_kit import Flatpeak
from support.serving import serving


@pytest.fixture
async def fp(database_url, clock, tmp_path) -> AsyncIterator[Flatpeak]:
    async with serving(database_url, clock, tmp_path) as found:
        yield Flatpeak(found)
