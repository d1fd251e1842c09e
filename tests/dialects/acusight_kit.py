"""What tests of the Acusight API share: tokens, provisioning, and what a refusal looks like."""

import re
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

on_sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def error_of(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The error of a refusal, after checking the envelope."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    document = response.json()
    assert set(document) == {"success", "error"}
    assert document["success"] is False
    error = document["error"]
    assert set(error) == {"code", "message", "details"}
    assert error["code"] == code
    for text in error.values():
        assert isinstance(text, str)
        assert text
    return error


def data_of(response: httpx.Response, status: int = 200) -> Any:
    """What an envelope holds, after checking it."""
    assert response.status_code == status, response.text
    document = response.json()
    assert document["success"] is True
    assert set(document) - {"meta"} == {"success", "data"}
    return document["data"]


@dataclass
class Acusight:
    """That API of a running server."""

    running: Any
    base: str = "/api"

    @property
    def client(self) -> httpx.AsyncClient:
        return self.running.client

    async def call(self, method: str, path: str, *, key: str | None = None, **options: Any) -> Any:
        headers = {**self.running.auth(key), **options.pop("headers", {})}
        return await self.client.request(method, f"{self.base}{path}", headers=headers, **options)

    async def token(self, *, key: str | None = None, **fields: Any) -> dict[str, Any]:
        made = await self.call(
            "POST", "/provisioning-tokens", json={"name": "t", **fields}, key=key
        )
        return data_of(made, 201)

    async def provision(self, token: str, device_id: str = "box-1", **info: Any) -> httpx.Response:
        body = {"token": token, "device_info": {"device_id": device_id, **info}}
        return await self.client.post(f"{self.base}/devices/provision", json=body)

    async def device(self, device_id: str = "box-1", **info: Any) -> str:
        """Provision a device with a token of its own; its key."""
        made = await self.token()
        return data_of(await self.provision(made["token"], device_id, **info), 201)["api_key"]

    async def as_device(self, method: str, path: str, key: str, **options: Any) -> httpx.Response:
        headers = {"X-Device-Key": key}
        return await self.client.request(method, f"{self.base}{path}", headers=headers, **options)
