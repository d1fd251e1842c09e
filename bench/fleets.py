"""A server with a fleet that the database made itself, and somebody who is signed in."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filling
import httpx
from sizes import size

from moorage.storage import open_database
from support.accounts import People, cheap

DEVICES = size(10_000, 500)


@dataclass(frozen=True)
class Owner:
    """The owner's key, and the cookie of somebody who signed in; ``url`` is the database's."""

    key: str
    cookie: str
    url: str


def url_of(server: Any, folder: Path) -> str:
    """The address of a server's database, whose data is in this folder."""
    options = server._options  # noqa: SLF001 - what it was started with
    if "--database" in options:
        return str(options[options.index("--database") + 1])
    return f"sqlite:///{folder / 'data' / 'db' / 'moorage.db'}"


def filled(server: Any, folder: Path) -> Owner:
    """Give a new server 10,000 devices, as it makes them, and an account. It is stopped then."""
    key = str(server.bootstrap("acme")["api_key"])
    made = httpx.post(
        f"{server.base_url}/v1/devices",
        json={"name": "the one", "tags": ["a", "b"]},
        headers={"Authorization": f"Bearer {key}"},
        timeout=60,
    )
    made.raise_for_status()
    server.stop()
    url = url_of(server, folder)
    return Owner(key, asyncio.run(_filled(url, made.json()["id"])), url)


async def _filled(url: str, device_id: str) -> str:
    db = open_database(url)
    try:
        await filling.fill_devices(db, device_id, DEVICES)
        signed_in = await People(db, cheap()).set_up(workspace="acme")
    finally:
        await db.close()
    return signed_in.text
