"""That API's own client, unmodified, against a running server."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.devices import rfc3339
from support.server import ServerProcess

VENV = Path(__file__).parents[3] / ".venvs" / "roboflow"
ABSENT = "dev_000000000000000000000000"

pytestmark = pytest.mark.skipif(
    not (VENV / "bin" / "roboflow").exists(),
    reason="the client roboflow-slim is not installed in .venvs/roboflow; run make setup",
)


class Client:
    """The client's command and its SDK, with a home of its own."""

    def __init__(self, server: ServerProcess, key: str, home: Path) -> None:
        self.server = server
        self.key = key
        self._home = home
        self.auth = {"Authorization": f"Bearer {key}"}

    def _env(self, key: str | None) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self._home),
            "API_URL": self.server.base_url,
            "ROBOFLOW_API_KEY": key or self.key,
        }

    def run(self, *arguments: str, key: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [VENV / "bin" / "roboflow", "--json", "-w", "acme", "device", *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=self._env(key),
            timeout=60,
        )

    def ask(self, *arguments: str) -> Any:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr + done.stdout
        return json.loads(done.stdout)

    def python(self, source: str) -> Any:
        done = subprocess.run(
            [VENV / "bin" / "python", "-c", source],
            capture_output=True,
            text=True,
            check=False,
            env=self._env(None),
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def post(self, path: str, body: dict[str, Any], key: str | None = None) -> Any:
        auth = self.auth if key is None else {"Authorization": f"Bearer {key}"}
        told = httpx.post(f"{self.server.base_url}{path}", json=body, headers=auth)
        assert told.is_success, told.text
        return told.json()


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    folder = tmp_path_factory.mktemp("client")
    server = ServerProcess(folder).start()
    key = server.bootstrap()["api_key"]
    yield Client(server, key, folder)
    assert server.stop() == 0


@pytest.fixture(scope="module")
def device(client) -> str:
    """A device made by the client, enrolled and heard of once."""
    made = client.ask("create", "cam-1", "--tags", "a,b")
    told = client.post("/v1/enroll", {"install_token": made["installId"]})
    now = rfc3339()
    report = {
        "epoch": "e",
        "sequence": 1,
        "sent_at": now,
        "facts": {"hostname": "edge-1"},
        "telemetry": [{"at": now, "cpu_percent": 5}],
        "logs": [{"at": now, "service": "s", "severity": "error", "message": "a line"}],
        "events": [{"id": "evt_1", "at": now, "event": "device.boot"}],
        "streams": [{"id": "s1", "status": "running", "camera_fps": 25.0}],
    }
    client.post("/v1/reports", report, told["device_key"])
    return str(made["deviceId"])


def items(answer: Any) -> list[Any]:
    return answer["data"] if isinstance(answer, dict) and "data" in answer else answer


def test_list_and_get(client, device):
    (listed,) = items(client.ask("list"))
    assert (listed["id"], listed["name"], listed["status"]) == (device, "cam-1", "online")
    found = client.ask("get", device)
    assert found["hostname"] == "edge-1"
    assert found["tags"] == ["a", "b"]


def test_config_and_its_history(client, device):
    url = f"{client.server.base_url}/acme/devices/v2/{device}/config"
    changed = httpx.patch(url, params={"api_key": client.key}, json={"streams": {"s1": {}}})
    assert changed.is_success
    assert client.ask("config", device)["streams"] == {"s1": {}}
    history = items(client.ask("config-history", device))
    assert [entry["revision_id"] for entry in history] == ["2", "1"]


def test_streams_and_one_of_them(client, device):
    (stream,) = items(client.ask("streams", device))
    assert (stream["id"], stream["camera_fps"]) == ("s1", 25.0)
    assert client.ask("stream", device, "s1")["status"] == "running"


def test_logs_telemetry_and_events(client, device):
    lines = items(client.ask("logs", device))
    assert [line["message"] for line in lines] == ["a line"]
    (bucket,) = client.ask("telemetry", device)["buckets"]
    assert bucket["cpu_percent"] == 5.0
    events = items(client.ask("events", device))
    assert "device.boot" in [event["event"] for event in events]


def test_the_sdks_path_to_devices(client, device):
    found = client.python(
        "import json, os, roboflow\n"
        "workspace = roboflow.Roboflow(api_key=os.environ['ROBOFLOW_API_KEY']).workspace()\n"
        "device = [d for d in workspace.devices() if d.id == " + repr(device) + "][0]\n"
        "print(json.dumps([device.id, device.name, device.status]))"
    )
    assert found == [device, "cam-1", "online"]


def test_the_exit_codes_it_makes_of_refusals(client, device):
    nothing = client.post("/v1/api-keys", {"name": "none", "scopes": []})["key"]
    for arguments, key, code in (
        (("telemetry", device, "--time-period", "9h"), None, 1),  # 400
        (("list",), "sk_live_nobody", 2),  # 401
        (("create", "x", "--type", "ai1"), None, 2),  # 403: the feature is not switched on
        (("list",), nothing, 2),  # 404 for a scope
        (("get", ABSENT), None, 3),  # 404
    ):
        done = client.run(*arguments, key=key)
        assert done.returncode == code, (arguments, done.stdout, done.stderr)


def test_the_exit_code_it_makes_of_a_limit(tmp_path):
    server = ServerProcess(tmp_path, env={"MOORAGE_RATE_LIMITS": "on"}).start()
    try:
        client = Client(server, server.bootstrap()["api_key"], tmp_path)
        made = client.ask("create", "cam")
        codes = [client.run("logs", made["deviceId"]).returncode for _ in range(6)]
    finally:
        server.stop()
    assert codes == [0, 0, 0, 0, 0, 1]
