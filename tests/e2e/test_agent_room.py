"""A real agent at a real server whose database is at its budget, and after it was raised."""

import random

import httpx
import pytest

from e2e.fleet import Fleet, until
from support.devices import Device, rfc3339
from support.server import ServerProcess

pytestmark = pytest.mark.timeout(180)
BUDGET = "MOORAGE_STORAGE__BUDGET_BYTES"
MIB = 1024 * 1024


class SmallFleet(Fleet):
    """A fleet whose server may take up 16 MiB, until it is started with more."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self.server = self.start(16 * MIB)
        self.key = self.server.bootstrap()["api_key"]

    def start(self, budget: int) -> ServerProcess:
        return ServerProcess(self.folder / "server", env={BUDGET: str(budget)}).start()

    def fill(self) -> None:
        """Send lines as another device does until they are refused."""
        made = self.made()
        token = {"install_token": made["install_token"]}
        device = Device(self.ask("POST", "/v1/enroll", **token)["device_key"])
        with httpx.Client(base_url=self.server.base_url, timeout=30) as client:

            def refused(lines: int) -> bool:
                body = device.report(logs=[line() for _ in range(lines)])
                answer = client.post("/v1/reports", content=body, headers=device.headers)
                if answer.status_code == 200:
                    device.accept(body)
                return answer.status_code == 507

            for _ in range(30):  # 19 MiB
                if refused(20):
                    return
            # The server looks every few seconds how large its database is.
            until(lambda: refused(1), "the server has no room")


def line() -> dict[str, str]:
    """A line of 32 KiB that nothing makes smaller."""
    message = random.randbytes(16 * 1024).hex()
    return {"at": rfc3339(), "service": "s", "severity": "info", "message": message}


@pytest.fixture
def fleet(tmp_path):
    made = SmallFleet(tmp_path)
    yield made
    made.server.stop()


def test_an_agent_is_heard_without_room_and_what_it_kept_arrives_later(fleet):
    agent, device_id = fleet.agent()
    fleet.ask("PATCH", f"/v1/devices/{device_id}/config", config={"report_interval_s": 5})
    fleet.fill()
    agent.start()
    try:
        until(
            lambda: (
                fleet.device(device_id)["status"] == "online"
                and [e for e in fleet.rows(device_id, "events") if e["event"] == "agent.started"]
            ),
            "it is heard",
        )
        sent = fleet.ask("POST", f"/v1/devices/{device_id}/commands", kind="ping")
        path = f"/v1/devices/{device_id}/commands/{sent['id']}"
        until(lambda: fleet.ask("GET", path)["state"] == "succeeded", "its answer is taken")
        assert fleet.rows(device_id, "telemetry") == []
        assert fleet.rows(device_id, "logs") == []
        fleet.server.stop()
        port = fleet.server.port
        fleet.server = ServerProcess(fleet.folder / "server", env={BUDGET: str(256 * MIB)})
        fleet.server.port, fleet.server.base_url = port, f"http://127.0.0.1:{port}"
        fleet.server.start()
        # It would try again in a minute or two by itself; started anew it tries at once.
        agent.kill()
        agent.start()
        first = min(
            e["at"] for e in fleet.rows(device_id, "events") if e["event"] == "agent.started"
        )
        until(
            lambda: [s for s in fleet.rows(device_id, "telemetry") if s["at"][:16] <= first[:16]],
            "the samples of the time without room are there",
        )
        until(
            lambda: [
                row for row in fleet.rows(device_id, "logs") if "no room for" in row["message"]
            ],
            "it says why they are late",
        )
    finally:
        agent.kill()
