"""A fake server, and an agent enrolled with it."""

import threading

import pytest

from agent.fake_server import FakeServer
from agent.kit import enrolled


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(autouse=True)
def _no_stream_is_left():
    yield
    left = [one for one in threading.enumerate() if one.name.startswith("stream-")]
    for one in left:
        one.join(10)
    assert not [one for one in left if one.is_alive()], "a stream goes on after its test"


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
