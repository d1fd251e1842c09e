"""A fake server, an agent enrolled with it, and a Docker Engine for those who ask for one."""

import shutil
import tempfile
import threading
from pathlib import Path

import pytest

from agent.fake_server import FakeServer
from agent.kit import enrolled
from moorage_agent import applier, loop, step
from support import docker


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


@pytest.fixture(scope="session")
def docker_engine():
    """One engine for all tests of a session, with two tags of an image."""
    # A folder of its own: a socket's address is short.
    folder = Path(tempfile.mkdtemp(prefix="moorage-docker-"))
    made = docker.started(folder)
    made.import_busybox("1")
    made.import_busybox("2")
    yield made
    made.remove_all()
    made.stop()
    shutil.rmtree(folder)


@pytest.fixture
def in_haste(monkeypatch, server, docker_engine):
    """An agent that uses that engine and waits for nothing long; no container is left."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{docker_engine.socket}")
    monkeypatch.setattr(loop.random, "random", lambda: 0.0)
    monkeypatch.setattr(loop, "_WAKE_EVERY_S", 0.02)
    monkeypatch.setattr(loop, "_FIRST_AFTER_S", 0.05)
    monkeypatch.setattr(step, "ASK_AGAIN_S", 0.05)
    monkeypatch.setattr(applier, "WATCH_FAST_S", 0.1)
    monkeypatch.setattr(applier, "WATCH_SLOW_S", 0.3)
    monkeypatch.setattr("moorage_agent.engine._THERE_WITHIN_S", 0.5)
    server.interval_s = 3600
    yield
    docker_engine.remove_all()
