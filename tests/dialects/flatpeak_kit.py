"""What tests of the Flatpeak API share."""

import base64
import re
from dataclasses import dataclass
from typing import Any

import httpx

from moorage.kit.clock import rfc3339
from support.samples import Samples
from support.serving import Serving

_samples = Samples("flatpeak")
golden = _samples.load
matches = _samples.matches

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
# status: type and the codes that go with it, from the documentation of this API.
ERRORS = {
    403: ("invalid_request", {"access_denied"}),
    404: ("invalid_request", {"not_found"}),
    405: ("invalid_request", {"method_not_allowed"}),
    409: ("conflict", {"duplicate_reference", "conflict"}),
    413: ("invalid_request", {"parameter_invalid"}),
    422: ("invalid_request", {"api_version_not_supported", "parameter_invalid"}),
    429: ("rate_limit", {"too_many_requests"}),
    500: ("api_error", {"internal_error"}),
    503: ("api_error", {"internal_error"}),
    507: ("api_error", {"internal_error"}),
}
ABSENT = "dev_" + "0" * 24


def refused(
    response: httpx.Response,
    status: int,
    code: str | None = None,
    *,
    context: str | None = None,
    live: bool | None = True,
) -> dict[str, Any]:
    """The error of a refusal, after checking its whole shape; ``live`` None: says no mode."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    error = response.json()
    members = {"object", "context", "type", "code", "message", "time_created"}
    assert set(error) == members | ({"live_mode"} if live is not None else set()), error
    kind, codes = ERRORS[status]
    assert (error["object"], error["type"]) == ("error", kind)
    assert error["code"] in codes
    assert error["message"]
    assert TIME.fullmatch(error["time_created"])
    if live is not None:
        assert error["live_mode"] is live
    if status == 405:
        assert response.headers["allow"]
    if status in (429, 503):
        assert int(response.headers["retry-after"]) > 0
    if code is not None:
        assert error["code"] == code
    if context is not None:
        assert error["context"] == context
    return error


def denied(response: httpx.Response, context: str | None = None) -> dict[str, Any]:
    """Bad credentials: in one wording, and without a mode."""
    error = refused(response, 403, "access_denied", context=context, live=None)
    assert error["message"] == "Bad credentials"
    assert "www-authenticate" not in response.headers
    return error


def basic(account_id: str, key: str) -> dict[str, str]:
    pair = base64.b64encode(f"{account_id}:{key}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


@dataclass
class Flatpeak:
    """One server of that API, by what a test wants to say."""

    serving: Serving

    def __getattr__(self, name: str) -> Any:
        """The server's own parts: ``key``, ``clock``, ``client`` and so on."""
        return getattr(self.serving, name)

    async def ask(
        self, method: str, path: str, *, key: str | None = "", **more: Any
    ) -> httpx.Response:
        """``key`` is what goes as bearer, a token or a key; None sends nothing."""
        headers = {**more.pop("headers", {})}
        if key is not None:
            headers["Authorization"] = f"Bearer {key or self.key}"
        return await self.client.request(method, path, headers=headers, **more)

    async def log_in(self, key: str = "", account_id: str = "") -> httpx.Response:
        headers = basic(account_id or self.account_id, key or self.key)
        return await self.client.get("/login", headers=headers)

    async def token(self, key: str = "") -> str:
        answer = await self.log_in(key)
        assert answer.status_code == 200, answer.text
        return answer.json()["bearer_token"]

    async def make(self, reference: str | None = None, *, key: str = "") -> dict[str, Any]:
        body = {} if reference is None else {"reference_id": reference}
        made = await self.ask("POST", "/devices", json=body, key=key)
        assert made.status_code == 201, made.text
        return made.json()

    async def get(self, device_id: str, *, key: str = "") -> dict[str, Any]:
        found = await self.ask("GET", f"/devices/{device_id}", key=key)
        assert found.status_code == 200, found.text
        return found.json()

    async def change(self, device_id: str, reference: Any, *, key: str = "") -> httpx.Response:
        body = {"reference_id": reference}
        return await self.ask("PATCH", f"/devices/{device_id}", json=body, key=key)

    async def page(self, *, key: str = "", **query: Any) -> dict[str, Any]:
        found = await self.ask("GET", "/devices", params=query, key=key)
        assert found.status_code == 200, found.text
        return found.json()

    async def ids(self, *, key: str = "", **query: Any) -> list[str]:
        return [one["id"] for one in (await self.page(key=key, **query))["data"]]

    async def native(self, method: str, path: str, *, key: str = "", **more: Any) -> Any:
        """The same server by its own API: what keys and devices look like from there."""
        answer = await self.ask(method, f"/v1{path}", key=key, **more)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def new_key(self, *scopes: str, key: str = "") -> dict[str, Any]:
        body = {"name": "narrow", "scopes": list(scopes)}
        return await self.native("POST", "/api-keys", json=body, key=key)

    async def enroll(self, device_id: str, *, key: str = "") -> str:
        """Install a device; return its own key."""
        token = await self.native("POST", f"/devices/{device_id}/install", key=key)
        told = await self.client.post("/v1/enroll", json={"install_token": token["install_token"]})
        assert told.status_code == 200, told.text
        return told.json()["device_key"]

    async def report(self, device_key: str, sequence: int = 1) -> None:
        now = rfc3339(self.clock.now())
        report = {"epoch": "e", "sequence": sequence, "sent_at": now}
        headers = {"Authorization": f"Bearer {device_key}"}
        told = await self.client.post("/v1/reports", json=report, headers=headers)
        assert told.status_code == 200, told.text
