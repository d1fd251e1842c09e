"""The Deployment Manager API of a server whose clock stands still."""

from collections.abc import AsyncIterator

import pytest

from dialects.roboflow_kit import DeploymentManager
from support.serving import serving


@pytest.fixture
def limits() -> str:
    """Whether reads are limited; a test that is about limits says so."""
    return "off"


@pytest.fixture
async def rf(database_url, clock, tmp_path, limits) -> AsyncIterator[DeploymentManager]:
    features = ("deviceAio", "roboflowLiteMode")
    async with serving(
        database_url, clock, tmp_path, features=features, rate_limits=limits
    ) as found:
        yield DeploymentManager(
            found.app,
            found.client,
            found.db,
            clock,
            found.key,
            found.test_key,
            found.foreign_key,
        )
