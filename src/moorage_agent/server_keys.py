"""The public key of the agent's server: what it believes a signed text by.

It is given by whoever enrols the device, or fetched once from that server, and then kept: another
key takes its place only when a person enrols the device with another server, or gives one.
"""

from __future__ import annotations

from typing import Optional

from moorage_agent import signed
from moorage_agent.store import Store
from moorage_agent.transport import Transport

_PATH = "/v1/server-key"


def known(store: Store) -> Optional[bytes]:
    """Return the key of the server that the agent belongs to, if it is known."""
    if store.get("server_key_of") != store.get("server"):
        return None
    return signed.key_of(store.get("server_key"))


def keep(store: Store, server: str, key: bytes) -> None:
    """Remember the key of a server."""
    store.put(server_key=signed.key_text(key), server_key_of=server)


def keep_first(store: Store, key: bytes) -> None:
    """Remember the key of the agent's server, unless one is known."""
    server = store.get("server")
    if server is not None and known(store) is None:
        keep(store, server, key)


def ask(transport: Transport) -> Optional[bytes]:
    """Return the key that a server says it has, or None. Raises Unreachable."""
    answer = transport.request("GET", _PATH, b"", {})
    if answer.status != 200 or answer.body is None:
        return None
    return signed.key_of(answer.body.get("public_key"))
