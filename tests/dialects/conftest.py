"""The native API by what a test wants to say."""

import pytest

from dialects.native_kit import Api


@pytest.fixture
def api(running) -> Api:
    return Api(running)
