"""A real server with a console, for tests in a browser: accounts, keys, and somebody signed in."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
from playwright.async_api import BrowserContext

from console.kit import COOKIE
from moorage.core.accounts import NewSession, Role
from moorage.server import load_settings
from moorage.server.opening import opened
from support.accounts import People, cheap
from support.server import ServerProcess

T = TypeVar("T")


class Stand:
    """``moorage serve`` with workspace ``acme`` and somebody of each role; ``await begin()`` first.

    ``api`` is the native API with a key of the workspace; ``sessions`` are by role.
    """

    def __init__(self, folder: Path) -> None:
        self.server = ServerProcess(folder).start()
        self.base_url = self.server.base_url
        self.key = self.server.bootstrap("acme")["api_key"]
        self.sessions: dict[Role, NewSession] = {}
        auth = {"Authorization": f"Bearer {self.key}"}
        self.api = httpx.AsyncClient(base_url=self.base_url, headers=auth, timeout=60)

    async def begin(self) -> "Stand":
        self.sessions = await self.database(self._people)
        return self

    async def database(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """Do something in the server's database, beside it."""
        settings = load_settings(data=self.server.folder / "data")
        async with opened(settings) as (db, _):
            return await work(db)

    async def _people(self, db: Any) -> dict[Role, NewSession]:
        people = People(db, cheap())
        owner = await people.set_up(workspace="acme")
        return {
            Role.OWNER: owner,
            Role.OPERATOR: await people.join(owner, "operator@example.com", Role.OPERATOR),
            Role.VIEWER: await people.join(owner, "viewer@example.com", Role.VIEWER),
        }

    async def sign_in(self, context: BrowserContext, role: Role = Role.OWNER) -> None:
        """Give a browser somebody's session, without the way there."""
        text = self.sessions[role].text
        await context.add_cookies(
            [{"name": COOKIE, "value": text, "url": f"{self.base_url}/console/", "httpOnly": True}]
        )

    async def make(self, name: str, **fields: Any) -> dict[str, Any]:
        """A device, as the native API answers it."""
        made = await self.api.post("/v1/devices", json={"name": name, **fields})
        assert made.status_code == 201, made.text
        return made.json()

    async def close(self) -> None:
        await self.api.aclose()
        self.server.stop()
