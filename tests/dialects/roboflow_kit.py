"""What tests of the Deployment Manager API share."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from moorage.kit.clock import rfc3339
from support.clock import FixedClock

GOLDEN = Path(__file__).parents[1] / "golden" / "roboflow"
_PATTERNS = {
    "<dev>": re.compile(r"dev_[0-9a-f]{24}"),
    "<key>": re.compile(r"key_[0-9a-f]{24}"),
    "<evt>": re.compile(r"evt_\w+"),
    "<text>": re.compile(r".+", re.DOTALL),
    "<time>": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"),
}


def golden(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text())


def same(found: Any, expected: Any, at: str = "") -> None:
    """Hold an answer against a sample: same keys in the same order, same values."""
    if expected == "<list>":
        assert isinstance(found, list), at
    elif isinstance(expected, str) and expected in _PATTERNS:
        assert isinstance(found, str), at
        assert _PATTERNS[expected].fullmatch(found), (at, found)
    elif isinstance(expected, dict):
        assert isinstance(found, dict), at
        assert sorted(found) == sorted(expected), at
        for name, value in expected.items():
            same(found[name], value, f"{at}/{name}")
    elif isinstance(expected, list):
        assert isinstance(found, list), at
        assert len(found) == len(expected), at
        for number, value in enumerate(expected):
            same(found[number], value, f"{at}/{number}")
    else:
        assert found == expected, at
        assert type(found) is type(expected), at


def matches(response: httpx.Response, name: str, status: int = 200) -> Any:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    same(response.json(), golden(name))
    return response.json()


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
