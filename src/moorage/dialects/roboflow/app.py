"""The Deployment Manager API as one application."""

from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from moorage.dialects.common import BODY_LIMIT, BodyGuard, DialectApi, Services, refuse_with
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
    api = DialectApi(
        title="Moorage: Deployment Manager API",
        complete=_described,
        responses=REFUSALS,
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
    refuse_with(api, refuse, unknown_path=unknown_path, broken=broken)
    return DeploymentManager(api)


def _described(document: dict[str, Any]) -> dict[str, Any]:
    """Complete FastAPI's document: keys, the one answer that is plain text, no 422."""
    components = document["components"]
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
