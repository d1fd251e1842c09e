"""The Acusight API as one application, under ``/api`` and ``/api/core`` alike."""

from typing import Final

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from moorage.dialects.acusight import (
    routes_device,
    routes_owner,
    routes_portainer,
    routes_provision,
    routes_tokens,
    routes_virtual,
)
from moorage.dialects.acusight.auth import Sessions
from moorage.dialects.acusight.document import REFUSALS, complete
from moorage.dialects.acusight.errors import broken, refuse, unknown_path
from moorage.dialects.common import BODY_LIMIT, BodyGuard, DialectApi, Services, refuse_with

_ALSO: Final = "/api/core/"


class AcusightApp:
    """The application behind its guard; ``api`` is the inside, for its document and its routes."""

    def __init__(self, api: FastAPI) -> None:
        """Keep it."""
        self.api = api
        self._guarded: ASGIApp = BodyGuard(api, limit=BODY_LIMIT, refuse=refuse)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, whichever of the two base paths was used."""
        if scope["type"] == "http" and scope["path"].startswith(_ALSO):
            # In place: the front door looks here for the route that answered.
            scope["path"] = f"/api/{scope['path'][len(_ALSO) :]}"
            if scope.get("raw_path"):
                scope["raw_path"] = scope["raw_path"].replace(_ALSO.encode(), b"/api/", 1)
        await self._guarded(scope, receive, send)


def create_app(services: Services) -> AcusightApp:
    """Build the dialect."""
    api = DialectApi(
        title="Moorage: Acusight API",
        complete=complete,
        responses=REFUSALS,
    )
    sessions = Sessions(services)
    for router in (
        routes_provision.router(services),
        routes_tokens.router(services, sessions),
        routes_device.router(services, sessions),
        routes_owner.router(sessions),
        routes_portainer.router(services, sessions),
        routes_virtual.router(sessions),
    ):
        api.include_router(router)
    refuse_with(api, refuse, unknown_path=unknown_path, broken=broken)
    return AcusightApp(api)
