"""A real server with what an owner asks of it, and real agents."""

import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from support.agent import AgentProcess
from support.server import ServerProcess

WITHIN_S = 60
# Read once: httpx would read all CAs for each request, which takes a wait a fifth of a core.
_TRUST = ssl.create_default_context()


class Fleet:
    """A server and what an owner asks of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = ServerProcess(folder / "server").start()
        self.key = self.server.bootstrap()["api_key"]

    def ask(self, method: str, path: str, **body: Any) -> Any:
        answer = httpx.request(
            method,
            self.server.base_url + path,
            json=body or None,
            headers={"Authorization": f"Bearer {self.key}"},
            timeout=10,
            verify=_TRUST,
        )
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def made(self) -> dict[str, Any]:
        return self.ask("POST", "/v1/devices", name="machine")

    def agent(self, name: str = "agent") -> tuple[AgentProcess, str]:
        """An enrolled agent and its device's id."""
        made = self.made()
        agent = AgentProcess(self.folder / name)
        done = agent.enrol(self.server.base_url, made["install_token"])
        assert done.returncode == 0, done.stderr
        return agent, made["id"]

    def rows(self, device_id: str, kind: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        cursor = ""
        for _ in range(1000):
            page = self.ask("GET", f"/v1/devices/{device_id}/{kind}?limit=500{cursor}")
            rows += page["data"]
            if page["next_cursor"] is None:
                return rows
            cursor = f"&cursor={page['next_cursor']}"
        raise AssertionError("the list has no end")

    def device(self, device_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", f"/v1/devices/{device_id}")
        return found


def until(holds: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        found = holds()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"waited in vain until {what}")
