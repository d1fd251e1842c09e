"""The Acusight API's document, put to a running server."""

import httpx
import pytest
import requests
import schemathesis
from schemathesis import GenerationMode

from fuzz.documents import statuses_of
from moorage.dialects.acusight.scopes import NEEDS, TOKEN_IN_BODY
from support.server import ServerProcess

# What the engine on a device answers is not ours to document; HEAD is GET without its body.
ROUTES = sorted(route for route in NEEDS if "/portainer/" not in route[1])


class Target:
    """A real server with one device, and the dialect's document."""

    def __init__(self, folder) -> None:
        self.server = ServerProcess(folder).start()
        self.key = self.server.bootstrap()["api_key"]
        with httpx.Client(base_url=self.server.base_url) as client:
            owner = {"Authorization": f"Bearer {self.key}"}
            made = client.post("/api/provisioning-tokens", json={"name": "t"}, headers=owner)
            self.token_id = made.json()["data"]["id"]
            body = {
                "token": made.json()["data"]["token"],
                "device_info": {"device_id": "box-1"},
            }
            told = client.post("/api/devices/provision", json=body).json()["data"]
            document = client.get("/docs/acusight.json").json()
        self.session = requests.Session()
        self.session.headers["X-Device-Key"] = told["api_key"]
        self.schema = schemathesis.openapi.from_dict(document)
        self.schema.config.update(base_url=self.server.base_url)
        self.schema.config.generation.update(with_security_parameters=False)


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    found = Target(tmp_path_factory.mktemp("fuzzed"))
    yield found
    assert found.server.stop() == 0


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_every_answer_is_a_documented_one(target, route, mode):
    method, path = route
    known = {"device_id": "box-1", "token_id": target.token_id}
    statuses = statuses_of(
        target.schema[path][method],
        mode,
        base_url=target.server.base_url,
        session=target.session,
        key=target.key,
        known={name: value for name, value in known.items() if f"{{{name}}}" in path},
    )
    if NEEDS[route] != TOKEN_IN_BODY and "{" not in path:
        assert 401 not in statuses, "the key is a good one"
