# ruff: noqa: ARG002 - named as Authlib calls them
"""A provider of identities on loopback, made of Authlib's own server side: codes, PKCE, ID tokens.

Everybody is signed in to it at once, as ``provider.claims`` says. What goes wrong is asked for.
"""

import asyncio
import json
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from authlib.oauth2.rfc6749 import AuthorizationServer, ClientMixin, OAuth2Request, grants
from authlib.oauth2.rfc6749.models import AuthorizationCodeMixin
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import OpenIDCode, UserInfo
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from support.postgres import free_port

CLIENT_ID = "moorage"
CLIENT_SECRET = "a secret/of both+sides"
REDIRECT_URI = "http://moorage.test/console/sign-in/back"


class _Client(ClientMixin):
    def get_client_id(self):
        return CLIENT_ID

    def get_default_redirect_uri(self):
        return REDIRECT_URI

    def get_allowed_scope(self, scope):
        return scope

    def check_redirect_uri(self, redirect_uri):
        return redirect_uri == REDIRECT_URI

    def check_client_secret(self, client_secret):
        return client_secret == CLIENT_SECRET

    def check_endpoint_auth_method(self, method, endpoint):
        return method == "client_secret_basic"

    def check_response_type(self, response_type):
        return response_type == "code"

    def check_grant_type(self, grant_type):
        return grant_type == "authorization_code"


@dataclass
class _Code(AuthorizationCodeMixin):
    code: str
    redirect_uri: str
    scope: str
    nonce: str
    claims: dict[str, Any]
    code_challenge: str
    code_challenge_method: str
    auth_time: int = field(default_factory=lambda: int(time.time()))

    def get_redirect_uri(self):
        return self.redirect_uri

    def get_scope(self):
        return self.scope

    def get_nonce(self):
        return self.nonce

    def get_auth_time(self):
        return self.auth_time

    def get_acr(self):
        return None

    def get_amr(self):
        return None


class Provider(AuthorizationServer):
    """``claims`` are of whoever signs in next; ``forged`` are put into the ID token over them."""

    def __init__(self, issuer: str) -> None:
        super().__init__()
        self.issuer = issuer
        self.key = RSAKey.generate_key(2048, {"kid": "1", "use": "sig", "alg": "RS256"})
        self.published = self.key
        # What it answers in the place of its keys.
        self.key_set: dict[str, Any] | None = None
        self.claims = {
            "sub": "u-1", "email": "ada@example.com", "email_verified": True, "name": "Ada",
        }  # fmt: skip
        self.forged: dict[str, Any] = {}
        self.codes: dict[str, _Code] = {}
        self.asked: list[str] = []
        provider = self

        class Grant(grants.AuthorizationCodeGrant):
            TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic",)

            def save_authorization_code(self, code, request):
                data = request.payload.data
                provider.codes[code] = _Code(
                    code,
                    data["redirect_uri"],
                    data["scope"],
                    data["nonce"],
                    request.user,
                    data["code_challenge"],
                    data["code_challenge_method"],
                )

            def query_authorization_code(self, code, client):
                return provider.codes.get(code)

            def delete_authorization_code(self, authorization_code):
                del provider.codes[authorization_code.code]

            def authenticate_user(self, authorization_code):
                return authorization_code.claims

        class Tokens(OpenIDCode):
            def exists_nonce(self, nonce, request):
                return False

            def resolve_client_private_key(self, client):
                return provider.key

            def get_client_algorithm(self, client):
                return "RS256"

            def get_client_claims(self, client):
                return {"iss": provider.issuer, "aud": CLIENT_ID}

            def generate_user_info(self, user, scope):
                return UserInfo({**user, **provider.forged})

        self.register_grant(Grant, [CodeChallenge(required=True), Tokens(require_nonce=True)])
        self.register_token_generator(
            "default", BearerTokenGenerator(lambda *_, **__: "access-" + "0" * 40)
        )

    # --- what Authlib asks a framework for

    def query_client(self, client_id):
        return _Client() if client_id == CLIENT_ID else None

    def save_token(self, token, request):
        pass

    def send_signal(self, name, *args, **kwargs):
        pass

    def create_oauth2_request(self, request):
        return request

    def handle_response(self, status, body, headers):
        text = json.dumps(body) if isinstance(body, dict) else body
        return Response(text, status, dict(headers))

    # --- its pages

    async def configuration(self, _request: Request) -> Response:
        self.asked.append("configuration")
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            }
        )

    async def jwks(self, _request: Request) -> Response:
        self.asked.append("jwks")
        return JSONResponse(self.key_set or {"keys": [self.published.as_dict(private=False)]})

    async def authorize(self, request: Request) -> Response:
        asked = await _asked(request)
        grant = self.get_consent_grant(request=asked, end_user=dict(self.claims))
        return self.create_authorization_response(asked, grant_user=dict(self.claims), grant=grant)

    async def token(self, request: Request) -> Response:
        self.asked.append("token")
        return self.create_token_response(await _asked(request))


async def _asked(request: Request) -> OAuth2Request:
    body = (await request.body()).decode()
    # Authlib takes TLS for granted.
    asked = _Asked(
        request.method, f"https://provider.test{request.url.path}", headers=request.headers
    )
    asked.payload = BasicOAuth2Payload(
        {**dict(request.query_params), **dict(parse_qsl(body, keep_blank_values=True))}
    )
    return asked


class _Asked(OAuth2Request):
    @property
    def args(self):
        return self.payload.data

    @property
    def form(self):
        return self.payload.data


@asynccontextmanager
async def provider():
    """A provider that answers, on a port of its own."""
    port = free_port()
    made = Provider(f"http://127.0.0.1:{port}")
    app = Starlette(
        routes=[
            Route("/.well-known/openid-configuration", made.configuration),
            Route("/jwks", made.jwks),
            Route("/authorize", made.authorize),
            Route("/token", made.token, methods=["POST"]),
        ]
    )
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", lifespan="off")
    )
    server.install_signal_handlers = lambda: None
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(60):
        while not server.started:  # noqa: ASYNC110 - it tells in no other way
            await asyncio.sleep(0.01)
    try:
        yield made
    finally:
        server.should_exit = True
        await serving
