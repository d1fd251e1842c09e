"""The Deployment Manager API of a server whose clock stands still."""

from collections.abc import AsyncIterator

import httpx
import pytest

from dialects.roboflow_kit import DeploymentManager
from moorage.core import keys, workspaces
from moorage.core.caller import Caller
from moorage.server import create_app, load_settings


@pytest.fixture
def limits() -> str:
    """Whether reads are limited; a test that is about limits says so."""
    return "off"


@pytest.fixture
async def rf(database_url, clock, tmp_path, limits) -> AsyncIterator[DeploymentManager]:
    settings = load_settings(
        data=tmp_path / "data",
        database=database_url,
        keys_dir=tmp_path / "keys",
        public_url="http://moorage.test",
        rate_limits=limits,
    )
    app = create_app(settings, clock=clock)
    async with app.running() as services:
        async with services.db.write() as tx:
            workspace = await workspaces.ensure(
                tx, "acme", features=["deviceAio", "roboflowLiteMode"]
            )
            caller = Caller(workspace.id, live=True, actor="system:test")
            live = await keys.issue(tx, caller, name="test", live=True)
            test = await keys.issue(tx, caller, name="test", live=False)
            foreign = await workspaces.ensure(tx, "neighbour")
            them = Caller(foreign.id, live=True, actor="system:test")
            other = await keys.issue(tx, them, name="test", live=True)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://moorage.test") as client:
            yield DeploymentManager(
                app, client, services.db, clock, live.text, test.text, other.text
            )
