"""The Deployment Manager API as one application."""

from fastapi import FastAPI
from starlette.types import ASGIApp

from moorage import __version__
from moorage.dialects.common import BODY_LIMIT, BodyGuard, Services, refuse_with
from moorage.dialects.roboflow import (
    routes_bootstrap,
    routes_devices,
    routes_history,
    routes_keys,
)
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
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    sessions = Sessions(services)
    limits = ReadLimits(enabled=services.rate_limits)
    for router in (
        routes_devices.router(services, sessions),
        routes_history.router(sessions, limits),
        routes_keys.router(sessions),
        routes_bootstrap.router(services, sessions),
    ):
        api.include_router(router)
    refuse_with(api, refuse, unknown_path=unknown_path, broken=broken)
    return DeploymentManager(api)
