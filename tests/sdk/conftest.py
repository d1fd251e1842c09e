"""A real server on loopback, asked through the blocking client and through the awaited one."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from moorage.sdk import AsyncMoorage, Moorage, Retries
from support.server import ServerProcess


@dataclass
class Fleet:
    """Does the same with either client; ``kind`` is blocking or awaited."""

    kind: str
    url: str
    key: str
    retries: Retries | None = None

    def call(self, ask: Callable[[Any], Any]) -> Any:
        """The result of one call."""
        if self.kind == "blocking":
            with Moorage(self.url, self.key, retries=self.retries) as client:
                return ask(client)

        async def awaited() -> Any:
            async with AsyncMoorage(self.url, self.key, retries=self.retries) as client:
                return await ask(client)

        return asyncio.run(awaited())

    def rows(self, ask: Callable[[Any], Any]) -> list[Any]:
        """All rows of a list."""
        if self.kind == "blocking":
            with Moorage(self.url, self.key, retries=self.retries) as client:
                return list(ask(client))

        async def awaited() -> list[Any]:
            async with AsyncMoorage(self.url, self.key, retries=self.retries) as client:
                return [row async for row in ask(client)]

        return asyncio.run(awaited())

    def pages(self, ask: Callable[[Any], Any]) -> list[Any]:
        """All pages of a list."""
        if self.kind == "blocking":
            with Moorage(self.url, self.key, retries=self.retries) as client:
                return list(ask(client).pages())

        async def awaited() -> list[Any]:
            async with AsyncMoorage(self.url, self.key, retries=self.retries) as client:
                return [page async for page in ask(client).pages()]

        return asyncio.run(awaited())


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    process = ServerProcess(tmp_path_factory.mktemp("server")).start()
    yield process
    assert process.stop() == 0


@pytest.fixture(scope="module")
def keys(server, request):
    return server.bootstrap(request.module.__name__.rpartition(".")[2].replace("_", "-"))


@pytest.fixture(params=["blocking", "awaited"])
def fleet(request, server, keys) -> Fleet:
    return Fleet(request.param, server.base_url, keys["api_key"])
