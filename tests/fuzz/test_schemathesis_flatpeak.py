"""The Flatpeak API's document, put to a running server."""

import httpx
import pytest
import requests
import schemathesis
from schemathesis import GenerationMode

from dialects.flatpeak_kit import basic
from fuzz.documents import statuses_of
from moorage.dialects.flatpeak.scopes import LOGIN, OPERATIONS
from support.server import ServerProcess

# The one that ends the device comes last.
ROUTES = sorted(OPERATIONS, key=lambda route: (route[0] == "DELETE", route))


class Target:
    """A real server with one device that was seen, and the dialect's document."""

    def __init__(self, folder) -> None:
        self.server = ServerProcess(folder).start()
        made = self.server.bootstrap()
        self.account_id, self.key = made["workspace"]["id"], made["api_key"]
        self.session = requests.Session()
        with httpx.Client(base_url=self.server.base_url) as client:
            told = client.get(LOGIN, headers=basic(self.account_id, self.key)).json()
            self.token = told["bearer_token"]
            client.headers["Authorization"] = f"Bearer {self.token}"
            self.device_id = client.post("/devices", json={"reference_id": "R-1"}).json()["id"]
            document = client.get("/docs/flatpeak.json").json()
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
    scheme, credentials = "Bearer", target.token
    if path == LOGIN:
        scheme, credentials = basic(target.account_id, target.key)["Authorization"].split()
    statuses = statuses_of(
        target.schema[path][method],
        mode,
        base_url=target.server.base_url,
        session=target.session,
        key=credentials,
        scheme=scheme,
        known={"device_id": target.device_id} if "{device_id}" in path else None,
    )
    assert 403 not in statuses, "the credentials are good ones"
