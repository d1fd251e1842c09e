"""OpenID Connect: asking a provider who somebody is, by authorization code with PKCE.

The protocol's pieces are Authlib's, the tokens joserfc's; calls go out by our own bounded client.
The provider's metadata is read when first needed and every hour, its keys when one is unknown.
"""

import asyncio
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from moorage.core.accounts import Identity, Pending
from moorage.core.errors import DomainError, Kind
from moorage.outbound.http import AnswerTooLong, open_client, read_all, tls_context

# A provider proves itself by a private key of its own; a secret that both know proves less.
_ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
    "Ed25519",
)  # fmt: skip
_METADATA_FOR_S = 3600.0
_AWAY_FOR_S = 5.0
_KEYS_AT_LEAST_S = 10.0
_LEEWAY_S = 60
_LONGEST_ANSWER_BYTES = 512 * 1024
_LONGEST_TEXT = 8192
_OK = 200
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


@dataclass(frozen=True)
class OidcSetup:
    """How the provider is reached, and who we are to it; without a secret, a public client."""

    issuer: str
    client_id: str
    client_secret: str | None = field(repr=False)
    title: str
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    ca_bundle: Path | None = None
    timeout_s: float = 10.0


class OpenIdProvider:
    """One provider, for as long as the server runs; ``aclose`` it."""

    def __init__(self, setup: OidcSetup) -> None:
        """Keep the set-up; nothing is asked yet.

        Raises:
            ValueError: the certificates to trust cannot be used.

        """
        self.title = setup.title
        self.issuer = setup.issuer
        self._setup = setup
        self._client = open_client(
            tls_context(ca_bundle=setup.ca_bundle, verify=True),
            headers={"Accept": "application/json"},
            connections=4,
            timeout=httpx.Timeout(setup.timeout_s),
        )
        self._lock = asyncio.Lock()
        self._metadata: dict[str, Any] = {}
        self._metadata_until = 0.0
        self._away_until = 0.0
        self._keys: KeySet | None = None
        self._keys_at = 0.0

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def begin(self, redirect_uri: str) -> tuple[str, Pending]:
        """Return where to send the browser, and what to hold its return against."""
        metadata = await self._described()
        pending = Pending(*(secrets.token_urlsafe(48) for _ in range(3)))
        address = prepare_grant_uri(
            metadata["authorization_endpoint"],
            client_id=self._setup.client_id,
            response_type="code",
            redirect_uri=redirect_uri,
            scope=" ".join(self._setup.scopes),
            state=pending.state,
            nonce=pending.nonce,
            code_challenge=create_s256_code_challenge(pending.verifier),
            code_challenge_method="S256",
        )
        return str(address), pending

    async def finish(
        self, pending: Pending, redirect_uri: str, answer: Mapping[str, str]
    ) -> Identity:
        """Redeem the code and return who the ID token says came back."""
        state, code = answer.get("state", ""), answer.get("code", "")
        if not hmac.compare_digest(state.encode(), pending.state.encode()):
            raise _refused("it is the answer to another sign-in; begin anew")
        # RFC 9207: of which provider it is, where the provider says so.
        if "iss" in answer and answer["iss"] != self.issuer:
            raise _refused("it is another provider's answer")
        if not code or len(code) > _LONGEST_TEXT:
            raise _refused("the provider did not let you in")
        metadata = await self._described()
        told = await self._redeem(metadata, code, redirect_uri, pending.verifier)
        claims = await self._claims(metadata, told, pending.nonce)
        return _identity(self.issuer, claims)

    async def _redeem(
        self, metadata: Mapping[str, Any], code: str, redirect_uri: str, verifier: str
    ) -> Mapping[str, Any]:
        body = urlencode(
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": redirect_uri,
                "code_verifier": verifier,
            }
        )
        supported = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        method = "client_secret_basic"
        if self._setup.client_secret is None:
            method = "none"
        elif method not in supported and "client_secret_post" in supported:
            method = "client_secret_post"
        headers = {"Content-Type": "application/x-www-form-urlencoded;charset=UTF-8"}
        auth = ClientAuth(self._setup.client_id, self._setup.client_secret, method)
        uri, headers, body = auth.prepare("POST", metadata["token_endpoint"], headers, body)
        return await self._ask(
            "POST", uri, headers, body, wrong="the provider does not take the code"
        )

    async def _claims(
        self, metadata: Mapping[str, Any], told: Mapping[str, Any], nonce: str
    ) -> Mapping[str, Any]:
        text = told.get("id_token")
        if not isinstance(text, str):
            raise _refused("the provider sent no ID token")
        params = {
            "nonce": nonce,
            "client_id": self._setup.client_id,
            "access_token": told.get("access_token"),
        }
        try:
            keys = await self._keys_of(metadata)
            return verified(text, keys, self.issuer, self._setup.client_id, params)
        except (JoseError, ValueError):
            # It may have new keys; nobody can make us ask for them all the time.
            if monotonic() - self._keys_at < _KEYS_AT_LEAST_S:
                raise _refused("the provider's ID token does not hold") from None
        try:
            keys = await self._keys_of(metadata, anew=True)
            return verified(text, keys, self.issuer, self._setup.client_id, params)
        except (JoseError, ValueError):
            raise _refused("the provider's ID token does not hold") from None

    # --- what the provider says of itself

    async def _described(self) -> dict[str, Any]:
        async with self._lock:
            if monotonic() < self._metadata_until:
                return self._metadata
            if monotonic() < self._away_until:
                raise _unavailable("it did not answer a moment ago")
            # Until it is known better: all who come meanwhile wait for one look, not for their own.
            self._away_until = monotonic() + _AWAY_FOR_S
            address = f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
            found = dict(await self._ask("GET", address))
            # OpenID Connect Discovery, 4.3: or one provider could speak as another.
            if found.get("issuer") != self.issuer:
                raise _unavailable("it calls itself otherwise; set oidc.issuer as it does")
            secure = urlsplit(self.issuer).scheme
            for name in _ENDPOINTS:
                if urlsplit(str(found.get(name, ""))).scheme not in ("https", secure):
                    raise _unavailable(f"its {name} is missing or not on TLS")
            self._metadata = found
            self._metadata_until = monotonic() + _METADATA_FOR_S
            return found

    async def _keys_of(self, metadata: Mapping[str, Any], *, anew: bool = False) -> KeySet:
        async with self._lock:
            if self._keys is None or anew:
                found = await self._ask("GET", metadata["jwks_uri"])
                try:
                    self._keys = KeySet.import_key_set(found)  # type: ignore[arg-type]
                except (JoseError, LookupError, TypeError, ValueError, AttributeError):
                    raise _unavailable("what its jwks_uri answers is no set of keys") from None
                self._keys_at = monotonic()
            return self._keys

    async def _ask(
        self,
        method: str,
        address: str,
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
        *,
        wrong: str | None = None,
    ) -> Mapping[str, Any]:
        """Call the provider; ``wrong`` is what a refusal of its means, else it is out of order."""
        try:
            async with (
                asyncio.timeout(self._setup.timeout_s * 2),
                self._client.stream(method, address, headers=headers, content=body) as response,
            ):
                raw = await read_all(response, _LONGEST_ANSWER_BYTES)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, AnswerTooLong, OSError) as error:
            raise _unavailable(f"it does not answer ({type(error).__name__})") from None
        if response.is_client_error and wrong is not None:
            raise _refused(wrong)
        if response.status_code != _OK:
            raise _unavailable(f"it answers {response.status_code}")
        try:
            found = json.loads(raw)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise _unavailable("its answer is no JSON object")
        return found


def verified(
    text: str, keys: KeySet, issuer: str, client_id: str, params: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return the claims of an ID token that holds: signature, issuer, audience, times, nonce.

    Raises:
        JoseError: it does not.
        ValueError: it is no token, or its signature cannot be checked.

    """
    registry = JWSRegistry(algorithms=list(_ALGORITHMS), strict_check_header=False)
    token = jwt.decode(text, key=keys, registry=registry)
    options = {
        "iss": {"essential": True, "value": issuer},
        "aud": {"essential": True, "value": client_id},
    }
    claims = CodeIDToken(token.claims, token.header, options, dict(params))
    claims.validate(leeway=_LEEWAY_S)
    return dict(token.claims)


def _identity(issuer: str, claims: Mapping[str, Any]) -> Identity:
    subject, email = str(claims.get("sub", "")), claims.get("email")
    if not subject or len(subject) > _LONGEST_TEXT:
        raise _refused("the provider's ID token names nobody")
    if not isinstance(email, str) or not email:
        raise _refused("the provider tells no e-mail address; let it, by the scope email")
    name = claims.get("name") or claims.get("preferred_username") or ""
    # Some say it as text. Whatever is not plainly yes is no.
    is_verified = claims.get("email_verified") in (True, "true")
    return Identity(issuer, subject, email, is_verified, str(name), claims)


def _refused(why: str) -> DomainError:
    return DomainError(
        Kind.UNAUTHENTICATED, "identity_refused", f"signing in by the provider failed: {why}"
    )


def _unavailable(why: str) -> DomainError:
    return DomainError(
        Kind.UNAVAILABLE,
        "identity_provider_unavailable",
        f"the provider of identities cannot be used at present: {why}",
        retry_after_s=10,
    )
