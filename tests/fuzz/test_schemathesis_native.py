"""Whatever the OpenAPI document allows or forbids: no fault of ours, only documented answers."""

import httpx
import pytest
import requests
import schemathesis
from schemathesis import GenerationMode

from fuzz.documents import statuses_of
from moorage.dialects.native.scopes import DEVICE_KEY, NEEDS
from support.devices import rfc3339
from support.server import ServerProcess

UNLISTED = {"/v1/openapi.json", "/v1/docs", "/v1/docs/start.js"}
# An answer without an end cannot be read to its end.
ENDLESS = {"/v1/stream"}
ROUTES = sorted(route for route in NEEDS if route[1] not in UNLISTED | ENDLESS)
# What would end the device, or its key.
ENDING = {
    ("DELETE", "/v1/devices/{device_id}"),
    ("POST", "/v1/devices/{device_id}/keys/rotate"),
}
# What waits by design is asked not to.
QUERY = {("GET", "/v1/commands"): {"wait": 0}}


class Target:
    """A real server with one device, its document and its keys."""

    def __init__(self, folder) -> None:
        self.server = ServerProcess(folder).start()
        self.owner_key = self.server.bootstrap()["api_key"]
        self.session = requests.Session()
        with httpx.Client(base_url=self.server.base_url) as client:
            auth = {"Authorization": f"Bearer {self.owner_key}"}
            made = client.post("/v1/devices", json={"name": "fuzzed"}, headers=auth).json()
            told = client.post("/v1/enroll", json={"install_token": made["install_token"]}).json()
            self.device_id, self.device_key = made["id"], told["device_key"]
            self._report(client)
            document = client.get("/v1/openapi.json").json()
        self.schema = schemathesis.openapi.from_dict(document)
        self.schema.config.update(base_url=self.server.base_url)
        self.schema.config.generation.update(with_security_parameters=False)

    def approve(self) -> None:
        """Undo what an owner may have decided."""
        url = f"{self.server.base_url}/v1/devices/{self.device_id}"
        auth = {"Authorization": f"Bearer {self.owner_key}"}
        assert httpx.patch(url, json={"approval": "approved"}, headers=auth).status_code == 200

    def _report(self, client: httpx.Client) -> None:
        """Something to read."""
        now = rfc3339()
        report = {
            "epoch": "e",
            "sequence": 1,
            "sent_at": now,
            "telemetry": [{"at": now, "cpu_percent": 1}],
            "logs": [{"at": now, "service": "s", "severity": "info", "message": "m"}],
            "events": [{"id": "e", "at": now, "event": "x", "metadata": {"a": [1]}}],
        }
        headers = {"Authorization": f"Bearer {self.device_key}"}
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
    operation = target.schema[path][method]
    key = target.device_key if NEEDS[route] == DEVICE_KEY else target.owner_key
    known = {"device_id": target.device_id} if "{device_id}" in path else None
    answered = statuses_of(
        operation,
        mode,
        base_url=target.server.base_url,
        session=target.session,
        key=key,
        known=None if route in ENDING else known,
        query=QUERY.get(route),
    )
    if route == ("PATCH", "/v1/devices/{device_id}"):
        target.approve()  # a device that is not approved has keys that open nothing
    if path != "/v1/enroll":
        assert 401 not in answered, "the key is a good one"
