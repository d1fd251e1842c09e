"""A server in this process whose clock stands still, with keys of two workspaces and two modes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from moorage.core import keys, workspaces
from moorage.core.caller import Caller
from moorage.server import create_app, load_settings
from moorage.server.app import App
from moorage.storage import PostgresDatabase, SQLiteDatabase
from support.clock import FixedClock


@dataclass
class Serving:
    """``key`` and ``test_key`` are of workspace ``acme``, ``foreign_key`` of ``neighbour``."""

    app: App
    client: httpx.AsyncClient
    db: SQLiteDatabase | PostgresDatabase
    clock: FixedClock
    account_id: str
    foreign_id: str
    key: str
    test_key: str
    foreign_key: str


@asynccontextmanager
async def serving(
    database_url: str,
    clock: FixedClock,
    folder: Path,
    *,
    features: tuple[str, ...] = (),
    **settings: Any,
) -> AsyncIterator[Serving]:
    """Servers of one folder and one database share their keys."""
    wanted = {"rate_limits": "off", "public_url": "http://moorage.test", **settings}
    loaded = load_settings(
        data=folder / "data", database=database_url, keys_dir=folder / "keys", **wanted
    )
    app = create_app(loaded, clock=clock)
    async with app.running() as services:
        async with services.db.write() as tx:
            home = await workspaces.ensure(tx, "acme", features=list(features))
            caller = Caller(home.id, live=True, actor="system:test")
            live = await keys.issue(tx, caller, name="test", live=True)
            test = await keys.issue(tx, caller, name="test", live=False)
            foreign = await workspaces.ensure(tx, "neighbour")
            them = Caller(foreign.id, live=True, actor="system:test")
            other = await keys.issue(tx, them, name="test", live=True)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://moorage.test") as client:
            yield Serving(
                app,
                client,
                services.db,
                clock,
                home.id,
                foreign.id,
                live.text,
                test.text,
                other.text,
            )
