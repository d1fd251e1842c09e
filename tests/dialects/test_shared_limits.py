"""Limits counted by several servers together, in a real Valkey; without it by each for itself."""

import asyncio
import socket
from contextlib import asynccontextmanager

import httpx
import pytest
import structlog
from limits import RateLimitItemPerMinute
from pydantic import ValidationError

from moorage.core import keys, workspaces
from moorage.dialects.common import Counters
from moorage.server import create_app, load_settings
from support.engines import on_sqlite
from support.valkey import ValkeyServer

THREE = RateLimitItemPerMinute(3)


@pytest.fixture(scope="module")
def valkey():
    server = ValkeyServer()
    yield server
    server.close()


@asynccontextmanager
async def counters(url=None):
    made = Counters(url)
    try:
        yield made
    finally:
        await made.close()


async def hits(of, number, *names, window="sliding"):
    return [await of.hit(window, THREE, *names) for _ in range(number)]


@pytest.mark.parametrize("window", ["sliding", "moving"])
@pytest.mark.parametrize("scheme", ["valkey", "redis"])
async def test_two_servers_count_together(valkey, scheme, window):
    url = valkey.url.replace("valkey", scheme)
    names = ("together", scheme, window)
    async with counters(url) as one, counters(url) as two:
        assert await hits(one, 2, *names, window=window) == [True, True]
        assert await hits(two, 2, *names, window=window) == [True, False]
        assert await hits(one, 1, *names, window=window) == [False]
        assert (await two.stats(window, THREE, *names)).remaining == 0
        assert await hits(two, 1, *names, "another", window=window) == [True]


async def test_without_a_shared_one_each_counts_for_itself():
    async with counters() as one, counters() as two:
        assert await hits(one, 4, "alone") == [True, True, True, False]
        assert await hits(two, 1, "alone") == [True]


async def test_when_it_goes_each_goes_on_counting_and_says_so_and_comes_back_to_it(monkeypatch):
    monkeypatch.setattr("moorage.dialects.common.counting._LEFT_ALONE_S", 0.0)
    server = ValkeyServer()
    try:
        async with counters(server.url) as of:
            assert await hits(of, 4, "before") == [True, True, True, False]
            assert of.warning is None
            server.stop()
            with structlog.testing.capture_logs() as lines:
                assert await hits(of, 4, "away") == [True, True, True, False]
            assert [line["event"] for line in lines] == ["shared_rate_limits_away"], "once"
            assert "each process counts for itself" in of.warning
            server.start()
            for _ in range(300):
                if not of.warning:
                    break
                await hits(of, 1, "back")
                await asyncio.sleep(0.02)
            assert of.warning is None
    finally:
        server.close()


async def test_one_that_takes_connections_and_says_nothing_holds_nobody_up():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"valkey://127.0.0.1:{silent.getsockname()[1]}/0"
        async with counters(url) as of:
            assert await hits(of, 4, "silent") == [True, True, True, False]


@on_sqlite
async def test_a_server_whose_shared_limits_are_away_answers_and_counts(database_url, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = taken.getsockname()[1]
    settings = load_settings(
        data=tmp_path / "data",
        database=database_url,
        requests_per_minute=3,
        rate_limits_url=f"redis://:secret-of-it@127.0.0.1:{nobody}/0",
    )
    app = create_app(settings)
    with structlog.testing.capture_logs() as lines:
        async with app.running() as services:
            async with services.db.write() as tx:
                workspace = await workspaces.ensure(tx, "acme")
                pair = await keys.issue_pair(tx, workspace.id, "system:test")
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://m") as client:
                auth = {"Authorization": f"Bearer {pair[0].text}"}
                answers = [await client.get("/v1/devices", headers=auth) for _ in range(4)]
                assert [one.status_code for one in answers] == [200, 200, 200, 429]
                assert "shared rate limits" in (await client.get("/readyz")).json()["warnings"][0]
    assert "secret-of-it" not in str(lines)
    assert "secret-of-it" not in repr(settings)


@pytest.mark.parametrize("url", ["http://h:1", "valkey://", "127.0.0.1:6379", "memcached://h"])
def test_an_address_of_something_else_is_refused_without_repeating_it(url):
    with pytest.raises(ValidationError, match="valkey://host:port/number") as refused:
        load_settings(rate_limits_url=url)
    assert url not in str(refused.value).replace("valkey://host", "")
