"""``/healthz``, ``/readyz`` and ``/metrics``, and the agent's file: what belongs to no dialect."""

import hmac
import ipaddress
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.status import HTTP_405_METHOD_NOT_ALLOWED

from moorage.core import provisioning

_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


def create_app(
    ready: Callable[[], Awaitable[str | None]],
    registry: CollectorRegistry,
    documents: Mapping[str, Callable[[], dict[str, Any]]],
    warnings: Callable[[], Sequence[str]],
    metrics_token: SecretStr | None = None,
) -> Starlette:
    """Build the pages.

    ``ready`` returns None, or what is missing. ``documents`` are the dialects' OpenAPI documents by
    name; the native one is at its own address as well. ``warnings`` are sentences about what the
    server can do without, as they were when somebody last looked: nobody waits for a look.
    ``metrics_token`` opens the metrics; without one they are for this machine only.
    """

    async def healthz(_request: Request) -> Response:
        """Say that the process answers and its database is open: bootstrap may run."""
        return PlainTextResponse("ok\n")

    async def readyz(_request: Request) -> Response:
        missing = await ready()
        if missing is None:
            told = list(warnings())
            return JSONResponse({"ready": True, "warnings": told} if told else {"ready": True})
        return JSONResponse({"ready": False, "reason": missing}, 503, {"Retry-After": "5"})

    async def document(request: Request) -> Response:
        found = documents.get(request.path_params["name"])
        if found is None:
            raise HTTPException(404)
        return JSONResponse(found())

    async def agent(request: Request) -> Response:
        zipapp = provisioning.agent_zipapp()
        etag = f'"{zipapp.sha256}"'
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers={"ETag": etag})
        headers = {"ETag": etag, "Cache-Control": "no-cache"}
        return Response(zipapp.content, 200, headers, media_type="application/zip")

    async def refuse(_request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        text = "wrong method" if status == HTTP_405_METHOD_NOT_ALLOWED else "nothing is here"
        headers = error.headers if isinstance(error, HTTPException) else None
        return PlainTextResponse(f"{text}; see /v1/docs\n", status, headers)

    app = Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", _metrics(registry, metrics_token)),
            Route("/docs/{name}.json", document),
            Route(provisioning.AGENT_PATH, agent),
        ],
        exception_handlers={HTTPException: refuse},
    )
    # A redirect would repeat the query, and the Host that was asked for, in its Location.
    app.router.redirect_slashes = False
    return app


def _metrics(
    registry: CollectorRegistry, token: SecretStr | None
) -> Callable[[Request], Awaitable[Response]]:
    async def metrics(request: Request) -> Response:
        if not _may_read_metrics(request, token):
            text = "metrics are for this machine; to read them from elsewhere set metrics_token\n"
            return PlainTextResponse(text, 403)
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return metrics


def _may_read_metrics(request: Request, token: SecretStr | None) -> bool:
    if token is not None:
        given = request.headers.get("authorization", "").encode()
        return hmac.compare_digest(given, f"Bearer {token.get_secret_value()}".encode())
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False  # through a proxy on this machine the whole world comes from this machine
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
