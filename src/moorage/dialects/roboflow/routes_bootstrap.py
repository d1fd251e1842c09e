"""Routes a client asks first, and the statistics a stock inference container posts."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Body
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from moorage.core import devices, keys, workspaces
from moorage.core.caller import Caller, Scope
from moorage.core.errors import DomainError, Kind
from moorage.dialects.common import Services
from moorage.dialects.roboflow import shapes
from moorage.dialects.roboflow.answers import answer, told
from moorage.dialects.roboflow.auth import Sessions, key_of
from moorage.kit.text import clean_text
from moorage.storage import Tx

_Body = Body(default=None)
_STATISTICS = {
    "required": ["api_key"],
    "properties": {
        "api_key": {"type": "string"},
        "timestamp": {"type": "string"},
        "device_id": {"type": "string"},
        "inference_server_version": {"type": "string"},
        "hostname": {"type": "string"},
        "inference_results": {"type": "array", "items": {"type": "object"}},
    },
}
_LONGEST_FACT = 1024
_FACTS = (
    "platform",
    "platform_release",
    "platform_version",
    "architecture",
    "hostname",
    "ip_address",
    "mac_address",
)


def router(services: Services, sessions: Sessions) -> APIRouter:
    """Build the routes."""
    routes = APIRouter(tags=["bootstrap"])

    async def welcome(request: Request) -> Response:
        async with services.db.read() as tx:
            caller = await keys.authenticate(tx, key_of(request))
            home = await workspaces.get(tx, caller.workspace_id)
        return answer({"workspace": home.slug, "welcome": f"Welcome to {home.name}."})

    @routes.post("/", **told(shapes.Welcome))
    async def post_root(request: Request) -> Response:
        """Say which workspace a key belongs to."""
        return await welcome(request)

    @routes.get("/", **told(shapes.Welcome))
    async def get_root(request: Request) -> Response:
        """The same; who has no key is led to the console, or if no browser to the documentation."""
        asks_with_key = "api_key" in request.query_params or "authorization" in request.headers
        if asks_with_key:
            return await welcome(request)
        is_browser = "text/html" in request.headers.get("accept", "")
        return RedirectResponse("/console" if is_browser else "/v1/docs", 307)

    @routes.get("/{workspace}", **told(shapes.OneWorkspace))
    async def get_workspace(request: Request, workspace: str) -> Response:
        """Describe the workspace as far as a client needs it to reach its devices."""
        async with sessions.reading(request, workspace) as (tx, caller):
            home = await workspaces.get(tx, caller.workspace_id)
        about: shapes.WorkspaceShape = {
            "name": home.name,
            "url": home.slug,
            "projects": [],
            "members": 1,
        }
        return answer({"workspace": about})

    @routes.post("/inference-stats", **told(shapes.Taken, body=_STATISTICS))
    async def take_statistics(body: Any = _Body) -> Response:
        """Take what an inference server posts every minute as its device's heartbeat."""
        text = body.get("api_key") if isinstance(body, dict) else None
        if not isinstance(text, str):
            raise keys.unauthenticated()
        async with services.db.write() as tx:
            caller = await keys.authenticate(tx, text)
            device = await _meant(tx, caller, body.get("device_id"))
            await devices.note_heartbeat(tx, device.ref, _facts(body, device.facts))
        return answer({"status": "ok"})

    return routes


async def _meant(tx: Tx, caller: Caller, device_id: Any) -> devices.Device:
    """A device's key means its own device; a workspace key the one of that id or external id."""
    if caller.device_id is not None:
        return await devices.get_own(tx, caller)
    if not isinstance(device_id, str) or not device_id:
        raise DomainError(Kind.INVALID, "invalid", "device_id is required with a workspace key")
    return await devices.get_by_any_id(tx, caller, device_id, needs=Scope.DEVICE_UPDATE)


def _facts(body: dict[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {
        name: clean_text(value)[:_LONGEST_FACT]
        for name in (*_FACTS, "processor", "inference_server_version")
        if isinstance(value := body.get(name), str)
    }
    processor = told.pop("processor", None)
    if processor is not None:
        told["hardware"] = {**(known.get("hardware") or {}), "processor": processor}
    return told
