"""The Deployment Manager API as one application."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.types import ASGIApp

from moorage import __version__
from moorage.dialects.common import BODY_LIMIT, BodyGuard, Services, refuse_with
from moorage.dialects.roboflow import (
    routes_bootstrap,
    routes_devices,
    routes_history,
    routes_keys,
)
from moorage.dialects.roboflow.answers import REFUSALS
from moorage.dialects.roboflow.auth import Sessions
from moorage.dialects.roboflow.errors import broken, refuse, unknown_path
from moorage.dialects.roboflow.limits import ReadLimits


class DeploymentManager:
    """The application behind its guard; ``api`` is the inside, for its document and its routes."""

    def __init__(self, api: FastAPI) -> None:
        """Keep it."""
        self.api = api
        self.guarded: ASGIApp = BodyGuard(api, limit=BODY_LIMIT, refuse=refuse)


def create_app(services: Services) -> DeploymentManager:
    """Build the dialect."""
    api = FastAPI(
        title="Moorage: Deployment Manager API",
        version=__version__,
        openapi_url=None,
        responses=REFUSALS,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    sessions = Sessions(services)
    limits = ReadLimits(services.counters, enabled=services.rate_limits)
    for router in (
        routes_devices.router(services, sessions),
        routes_history.router(sessions, limits),
        routes_keys.router(sessions),
        routes_bootstrap.router(services, sessions),
    ):
        api.include_router(router)

    def document() -> dict[str, Any]:
        if api.openapi_schema is None:
            found = get_openapi(title=api.title, version=api.version, routes=api.routes)
            api.openapi_schema = _described(found)
        return api.openapi_schema

    # FastAPI's documented way to a document of one's own.
    api.openapi = document  # type: ignore[method-assign]
    refuse_with(api, refuse, unknown_path=unknown_path, broken=broken)
    return DeploymentManager(api)


def _described(document: dict[str, Any]) -> dict[str, Any]:
    """Complete FastAPI's document: keys, the one answer that is plain text, no 422."""
    components = document.setdefault("components", {})
    for name in ("HTTPValidationError", "ValidationError"):
        components.get("schemas", {}).pop(name, None)
    components["securitySchemes"] = {
        "query": {"type": "apiKey", "in": "query", "name": "api_key"},
        "bearer": {"type": "http", "scheme": "bearer"},
    }
    for path, operations in document["paths"].items():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            operation["security"] = (
                [] if path == "/inference-stats" else [{"query": []}, {"bearer": []}]
            )
            if path.endswith("/logs"):
                operation["responses"]["429"]["content"]["text/plain"] = {
                    "schema": {"type": "string"}
                }
    return document
