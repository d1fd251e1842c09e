"""A device that reports when a test says so, over the wire and written apart from the agent."""

import json
from typing import Any

import httpx

from support.devices import Device, rfc3339


class Box(Device):
    """One enrolled device, driven without asyncio."""

    url: str = ""

    def send(self, **parts: Any) -> dict[str, Any]:
        """Send the next report and take its answer."""
        body = self.report(**parts)
        answer = httpx.post(f"{self.url}/v1/reports", content=body, headers=self.headers)
        assert answer.status_code == 200, answer.text
        self.accept(body)
        received: dict[str, Any] = answer.json()
        return received

    def log(self, *messages: str, at: str | None = None, **fields: Any) -> None:
        lines = [
            {"at": at or rfc3339(), "service": "app", "severity": "info", "message": one, **fields}
            for one in messages
        ]
        self.send(logs=lines)


def enrol(url: str, install_token: str) -> Box:
    answer = httpx.post(f"{url}/v1/enroll", json={"install_token": install_token})
    assert answer.status_code == 200, answer.text
    box = Box(answer.json()["device_key"], answer.json()["device_id"])
    box.url = url
    return box


def made(cli, name: str, **fields: Any) -> Box:
    """Make a device without the client under test, and enrol it."""
    answer = httpx.post(
        f"{cli.url}/v1/devices",
        json={"name": name, **fields},
        headers={"Authorization": f"Bearer {cli.key}"},
    )
    assert answer.status_code == 201, answer.text
    return enrol(cli.url, answer.json()["install_token"])


def asked(cli, path: str, method: str = "GET", body: Any = None) -> Any:
    """What the server itself says, not through the client under test."""
    answer = httpx.request(
        method,
        f"{cli.url}/v1/{path}",
        content=None if body is None else json.dumps(body),
        headers={"Authorization": f"Bearer {cli.key}", "Content-Type": "application/json"},
    )
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None
