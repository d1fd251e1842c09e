"""``/healthz``, ``/readyz`` and ``/metrics``, and the agent's file: what belongs to no dialect."""

from collections.abc import Awaitable, Callable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from moorage.core import provisioning


def create_app(
    ready: Callable[[], Awaitable[str | None]], registry: CollectorRegistry
) -> Starlette:
    """Build the pages. ``ready`` returns None, or what is missing."""

    async def healthz(_request: Request) -> Response:
        """Say that the process answers and its database is open: bootstrap may run."""
        return PlainTextResponse("ok\n")

    async def readyz(_request: Request) -> Response:
        missing = await ready()
        if missing is None:
            return JSONResponse({"ready": True})
        return JSONResponse({"ready": False, "reason": missing}, 503, {"Retry-After": "5"})

    async def metrics(_request: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    async def agent(request: Request) -> Response:
        zipapp = provisioning.agent_zipapp()
        etag = f'"{zipapp.sha256}"'
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers={"ETag": etag})
        headers = {"ETag": etag, "Cache-Control": "no-cache"}
        return Response(zipapp.content, 200, headers, media_type="application/zip")

    async def nothing(_request: Request) -> Response:
        return PlainTextResponse("there is nothing at this address; see /v1/docs\n", 404)

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", metrics),
            Route("/install/moorage-agent.pyz", agent),
            Route("/{path:path}", nothing, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
        ]
    )
