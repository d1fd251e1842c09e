"""The Flatpeak API as one application."""

from typing import Final

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from moorage.core.errors import DomainError
from moorage.dialects.common import (
    BODY_LIMIT,
    BodyGuard,
    DialectApi,
    KeyLimit,
    Services,
    refuse_with,
)
from moorage.dialects.flatpeak import auth, routes
from moorage.dialects.flatpeak.answers import REFUSALS, complete
from moorage.dialects.flatpeak.asked import Asked, Credential, asking
from moorage.dialects.flatpeak.errors import Refusals
from moorage.dialects.flatpeak.scopes import LOGIN, OPERATIONS, template_of
from moorage.dialects.flatpeak.tokens import Tokens

# What that vendor has besides, about the price of energy: answered 404 in its shape.
NOT_SERVED: Final = frozenset(
    [
        "customers",
        "locations",
        "tariffs",
        "meters",
        "costs",
        "rates",
        "schedules",
        "slots",
        "connect",
        "events",
    ]
)
# First segments of paths that are this dialect's.
SEGMENTS: Final = frozenset({"login", "devices"}) | NOT_SERVED


class FlatpeakApp:
    """Looks at credentials before anything else of a request; ``api`` is the inside."""

    def __init__(self, services: Services, api: FastAPI, tokens: Tokens, said: Refusals) -> None:
        """Keep the parts."""
        self.api = api
        self._clock = services.clock
        self._tokens = tokens
        self._said = said
        self._limit = KeyLimit(services.requests_per_minute, services.counters, api="flatpeak")
        self._guarded: ASGIApp = BodyGuard(api, limit=BODY_LIMIT, refuse=said.refuse, parses=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if scope["type"] != "http":
            await self.api(scope, receive, send)
            return
        template = template_of(scope["path"])
        if template is not None:
            scope["moorage.route"] = template
        asked = Asked(OPERATIONS.get((scope["method"], template or "")))
        app: ASGIApp = self._guarded
        with asking(asked):
            try:
                asked.credential = self._shown(scope)
                if asked.operation is not None:
                    await self._limit.hit(asked.credential.counted_as)
            except DomainError as refusal:
                # Who asks for what is not there needs no key to be told so.
                if asked.operation is not None:
                    app = self._said.refuse(refusal)
            await app(scope, receive, send)

    def _shown(self, scope: Scope) -> Credential:
        authorization = Headers(scope=scope).get("authorization")
        if scope["path"] == LOGIN:
            return auth.of_basic(authorization)
        return auth.of_bearer(authorization, self._tokens, self._clock.now())


def create_app(services: Services) -> FlatpeakApp:
    """Build the dialect."""
    api = DialectApi(
        title="Moorage: Flatpeak API",
        complete=complete,
        responses=REFUSALS,
    )
    tokens = Tokens(services.login_key)
    said = Refusals(services.clock)
    api.include_router(routes.router(auth.Sessions(services.db), tokens))
    refuse_with(api, said.refuse, unknown_path=said.unknown_path, broken=said.broken)
    return FlatpeakApp(services, api, tokens, said)
