"""The HTTP clients that calls outwards are made with: nothing followed, kept or taken from outside.

No redirects, no cookies, no proxy and no certificates from the environment; answers as they are on
the wire, read up to a bound.
"""

import ssl
from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path

import httpcore
import httpx

from moorage import __version__
from moorage.outbound.addresses import CheckedNetwork

_KEPT_OPEN_S = 30.0


class AnswerTooLong(Exception):
    """More came than what was asked for can be."""


class _CheckedTransport(httpx.AsyncHTTPTransport):
    """httpx's own transport over a pool that checks addresses; httpx has no option for that."""

    def __init__(self, context: ssl.SSLContext, connections: int) -> None:
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=connections,
            max_keepalive_connections=min(connections, 8),
            keepalive_expiry=_KEPT_OPEN_S,
            network_backend=CheckedNetwork(),
        )


def open_client(
    context: ssl.SSLContext,
    *,
    headers: Mapping[str, str],
    connections: int,
    timeout: httpx.Timeout,
) -> httpx.AsyncClient:
    """Return a client; close it when done."""
    return httpx.AsyncClient(
        transport=_CheckedTransport(context, connections),
        headers={
            "User-Agent": f"moorage/{__version__}",
            # What is packed could unpack to any size.
            "Accept-Encoding": "identity",
            **headers,
        },
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        timeout=timeout,
        follow_redirects=False,
        trust_env=False,
    )


def tls_context(*, ca_bundle: Path | None, verify: bool) -> ssl.SSLContext:
    """Return what certificates are checked with: public authorities, a bundle, or nothing at all.

    Raises:
        ValueError: the bundle cannot be read, or holds no certificate.

    """
    if ca_bundle is None:
        return httpx.create_ssl_context(verify=verify, trust_env=False)
    try:
        context = ssl.create_default_context(cafile=ca_bundle)
    except (OSError, ssl.SSLError) as error:
        why = error.strerror or error.reason if isinstance(error, ssl.SSLError) else error.strerror
        raise ValueError(f"the certificates in {ca_bundle} cannot be used: {why}") from None
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def read_all(response: httpx.Response, limit_bytes: int) -> bytes:
    """Read a body whole.

    Raises:
        AnswerTooLong: it is over the limit, or packed.

    """
    if response.headers.get("content-encoding", "identity") != "identity":
        raise AnswerTooLong
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_raw():
        size += len(part)
        if size > limit_bytes:
            raise AnswerTooLong
        parts.append(part)
    return b"".join(parts)
