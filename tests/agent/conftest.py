"""A fake server, and an agent enrolled with it."""

import pytest

from agent.fake_server import FakeServer
from agent.kit import enrolled


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server():
    fake = FakeServer()
    yield fake
    fake.close()


@pytest.fixture
def folder(tmp_path, server):
    """The folder of an agent that is enrolled with the fake server."""
    enrolled(tmp_path / "agent", server)
    return tmp_path / "agent"
