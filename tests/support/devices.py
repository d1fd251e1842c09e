"""A device as the protocol describes it, written apart from the agent and from the server."""

import asyncio
import hashlib
import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx


def sha256(text: str | bytes) -> str:
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()


def rfc3339(at: datetime | None = None) -> str:
    at = at or datetime.now(UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


@dataclass
class Device:
    """Makes chained reports; each carries one log line that names it, so that it can be found."""

    key: str
    id: str = ""
    store: str = field(default_factory=lambda: uuid.uuid4().hex)
    epoch: str = field(default_factory=lambda: uuid.uuid4().hex)
    sequence: int = 0
    chain: str = ""

    def __post_init__(self) -> None:
        self.chain = self.chain or sha256(self.epoch)

    def report(self, **parts: Any) -> bytes:
        """The body of the next report; call `accept` when it was acknowledged."""
        now = rfc3339()
        report = {
            "id": str(uuid.uuid4()),
            "store": self.store,
            "epoch": self.epoch,
            "sequence": self.sequence + 1,
            "previous": self.chain,
            "sent_at": now,
            **parts,
        }
        return json.dumps(report).encode()

    def accept(self, body: bytes) -> None:
        self.sequence += 1
        self.chain = sha256(f"{self.chain}:{sha256(body)}")

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}


async def enrolled(client: httpx.AsyncClient, owner_key: str, name: str = "device") -> Device:
    made = await client.post(
        "/v1/devices", json={"name": name}, headers={"Authorization": f"Bearer {owner_key}"}
    )
    assert made.status_code == 201, made.text
    answer = await client.post("/v1/enroll", json={"install_token": made.json()["install_token"]})
    assert answer.status_code == 200, answer.text
    return Device(answer.json()["device_key"], answer.json()["device_id"])


async def send_until_acknowledged(
    client: httpx.AsyncClient, device: Device, body: bytes, *, tries: int = 600
) -> dict[str, Any]:
    """Send the same bytes again until they are acknowledged, as a device does."""
    for _ in range(tries):
        try:
            answer = await client.post("/v1/reports", content=body, headers=device.headers)
        except httpx.TransportError:
            await asyncio.sleep(0.05)
            continue
        if answer.status_code == 200:
            received: dict[str, Any] = answer.json()
            return received
        assert answer.status_code == 503, answer.text
        await asyncio.sleep(0.05)
    raise AssertionError("the report was never acknowledged")


async def all_rows(client: httpx.AsyncClient, owner_key: str, path: str) -> list[dict[str, Any]]:
    """Every page of a list."""
    rows: list[dict[str, Any]] = []
    cursor: str | None = None
    for _ in range(10_000):
        params = {"limit": "500", **({"cursor": cursor} if cursor else {})}
        answer = await client.get(
            path, params=params, headers={"Authorization": f"Bearer {owner_key}"}
        )
        assert answer.status_code == 200, answer.text
        rows += answer.json()["data"]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return rows
    raise AssertionError("the list has no end")
