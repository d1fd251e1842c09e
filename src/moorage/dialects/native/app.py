"""The native API as one ASGI application: the plain report route, FastAPI for the rest."""

import re

from fastapi import Depends, FastAPI, Security
from fastapi.security import HTTPBearer
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from moorage.core import keys, streams
from moorage.dialects.common import (
    BODY_LIMIT,
    BodyGuard,
    DialectApi,
    KeyLimit,
    Services,
    bearer_of,
    refuse_with,
)
from moorage.dialects.native import (
    docs,
    routes_agent,
    routes_audit,
    routes_config,
    routes_devices,
    routes_enroll,
    routes_history,
    routes_keys,
    routes_running,
    routes_setup,
    routes_snapshots,
    routes_stream,
    routes_tokens,
    routes_virtual,
    routes_workspaces,
)
from moorage.dialects.native.errors import broken, problem, unknown_path
from moorage.dialects.native.openapi import REFUSALS, describe
from moorage.dialects.native.reports import PATH, ReportsRoute
from moorage.dialects.native.scopes import NEEDS, PUBLIC

_PARTS = (
    routes_agent,
    routes_enroll,
    routes_devices,
    routes_history,
    routes_config,
    routes_keys,
    routes_running,
    routes_setup,
    routes_snapshots,
    routes_audit,
    routes_stream,
    routes_tokens,
    routes_virtual,
    routes_workspaces,
)


_BROUGHT = re.compile(routes_snapshots.BROUGHT.replace("{command_id}", "[^/]+"))


class NativeApp:
    """Sends reports the short way and everything else to FastAPI."""

    def __init__(self, api: FastAPI, reports: ReportsRoute) -> None:
        """Keep both ways."""
        self.api = api
        self._guarded: ASGIApp = BodyGuard(api, limit=BODY_LIMIT, refuse=problem)
        self._pictures: ASGIApp = BodyGuard(api, limit=streams.LARGEST_BYTES, refuse=problem)
        self._reports = reports

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Choose by path."""
        if scope["type"] == "http" and scope["path"] == PATH:
            scope["moorage.route"] = PATH
            await self._route_for(scope)(scope, receive, send)
            return
        brings = scope["type"] == "http" and _BROUGHT.fullmatch(scope["path"])
        await (self._pictures if brings else self._guarded)(scope, receive, send)

    def _route_for(self, scope: Scope) -> ASGIApp:
        if scope["method"] == "POST":
            return self._reports
        refusal = unknown_path(Request(scope), 405)
        refusal.headers["Allow"] = "POST"
        return refusal


def create_app(services: Services) -> NativeApp:
    """Build the dialect."""
    limit = KeyLimit(services.requests_per_minute, services.counters, api="native")

    async def key_first(request: Request) -> None:
        """Refuse what comes without anything like a key before a word is said about its body."""
        route = request.scope["route"].path
        if NEEDS.get((request.method, route)) == PUBLIC:
            return
        text = bearer_of(request.headers.get("authorization"))
        if not keys.looks_like_key(text):
            raise keys.unauthenticated()
        await limit.hit(text)

    api = DialectApi(
        title="Moorage",
        complete=describe,
        dependencies=[Security(HTTPBearer(auto_error=False)), Depends(key_first)],
        responses=REFUSALS,
    )
    for part in _PARTS:
        api.include_router(part.router(services))
    refuse_with(api, problem, unknown_path=unknown_path, broken=broken)
    docs.add(api)
    return NativeApp(api, ReportsRoute(services))
