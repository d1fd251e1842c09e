"""What tests of the Deployment Manager API share."""

from dataclasses import dataclass
from typing import Any

import httpx

from moorage.kit.clock import rfc3339
from support.clock import FixedClock
from support.samples import Samples

_samples = Samples("roboflow")
golden = _samples.load
matches = _samples.matches


@dataclass
class Device:
    id: str
    key: str


@dataclass
class DeploymentManager:
    """One server of that API, by what a test wants to say."""

    app: Any
    client: httpx.AsyncClient
    db: Any
    clock: FixedClock
    key: str
    test_key: str
    foreign_key: str

    async def ask(
        self, method: str, path: str, *, key: str | None = "", slug: str = "acme", **more: Any
    ) -> httpx.Response:
        """``path`` follows the workspace; ``key`` None sends none."""
        params = {**more.pop("params", {})}
        if key is not None:
            params["api_key"] = key or self.key
        return await self.client.request(method, f"/{slug}{path}", params=params, **more)

    async def get(self, path: str = "", **params: Any) -> httpx.Response:
        return await self.ask("GET", f"/devices/v2{path}", params=params)

    async def make(self, name: str = "factory-floor-cam-1", **fields: Any) -> dict[str, Any]:
        made = await self.ask("POST", "/devices/v2", json={"device_name": name, **fields})
        assert made.status_code == 201, made.text
        return made.json()

    async def enroll(self, name: str = "factory-floor-cam-1", **fields: Any) -> Device:
        made = await self.make(name, **fields)
        told = await self.client.post("/v1/enroll", json={"install_token": made["installId"]})
        return Device(made["deviceId"], told.json()["device_key"])

    async def report(self, device: Device, sequence: int = 1, **parts: Any) -> None:
        now = rfc3339(self.clock.now())
        report = {"epoch": "e", "sequence": sequence, "sent_at": now, **parts}
        headers = {"Authorization": f"Bearer {device.key}"}
        told = await self.client.post("/v1/reports", json=report, headers=headers)
        assert told.status_code == 200, told.text

    async def new_key(self, *scopes: str, **fields: Any) -> dict[str, Any]:
        body = {"name": "narrow", "scopes": list(scopes), **fields}
        made = await self.ask("POST", "/api-keys", json=body)
        assert made.status_code == 201, made.text
        return made.json()
