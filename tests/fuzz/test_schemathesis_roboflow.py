"""The Deployment Manager API's document, put to a running server."""

import httpx
import pytest
import requests
import schemathesis
from schemathesis import GenerationMode

from fuzz.documents import statuses_of
from moorage.dialects.roboflow.scopes import KEY_IN_BODY, NEEDS
from support.devices import rfc3339
from support.server import ServerProcess

ROUTES = sorted(NEEDS)


class Target:
    """A real server with one device that told something, and the dialect's document."""

    def __init__(self, folder) -> None:
        self.server = ServerProcess(folder).start()
        self.key = self.server.bootstrap()["api_key"]
        self.session = requests.Session()
        with httpx.Client(base_url=self.server.base_url, params={"api_key": self.key}) as client:
            made = client.post("/acme/devices/v2", json={"device_name": "fuzzed"}).json()
            self.device_id = made["deviceId"]
            client.patch(f"/acme/devices/v2/{self.device_id}/config", json={"streams": {"s": {}}})
            told = client.post("/v1/enroll", json={"install_token": made["installId"]}).json()
            self._report(client, told["device_key"])
            document = client.get("/docs/deployment-manager.json").json()
        self.schema = schemathesis.openapi.from_dict(document)
        self.schema.config.update(base_url=self.server.base_url)
        self.schema.config.generation.update(with_security_parameters=False)

    def _report(self, client: httpx.Client, key: str) -> None:
        now = rfc3339()
        report = {
            "epoch": "e",
            "sequence": 1,
            "sent_at": now,
            "telemetry": [{"at": now, "cpu_percent": 1}],
            "logs": [{"at": now, "service": "s", "severity": "info", "message": "m"}],
            "events": [{"id": "e", "at": now, "event": "x", "metadata": {"a": [1]}}],
            "streams": [{"id": "s", "status": "running", "camera_fps": 1}],
        }
        headers = {"Authorization": f"Bearer {key}"}
        assert client.post("/v1/reports", json=report, headers=headers).status_code == 200


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    found = Target(tmp_path_factory.mktemp("fuzzed"))
    yield found
    assert found.server.stop() == 0


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_every_answer_is_a_documented_one(target, route, mode):
    method, path = route
    known = {"workspace": "acme", "device_id": target.device_id, "stream_id": "s"}
    statuses = statuses_of(
        target.schema[path][method],
        mode,
        base_url=target.server.base_url,
        session=target.session,
        key=target.key,
        known={name: value for name, value in known.items() if f"{{{name}}}" in path},
    )
    if NEEDS[route] != KEY_IN_BODY and "{workspace}" not in path:
        assert 401 not in statuses, "the key is a good one"
