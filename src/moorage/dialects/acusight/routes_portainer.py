"""``/api/portainer/{device_id}/docker/{path}``: into a device's own environment, and nowhere else.

Plain, not FastAPI: what comes back is passed on as it comes.
"""

from urllib.parse import unquote

from fastapi import APIRouter, Depends
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from moorage.core import audit, devices, environments
from moorage.core.caller import Caller, Scope
from moorage.core.devices import Device
from moorage.core.environments import Access
from moorage.core.errors import DomainError, Kind
from moorage.dialects.acusight.auth import Sessions
from moorage.dialects.common import EnvironmentProxy, Services
from moorage.storage import Tx

_METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE"]
_HANDED_ON = ("content-type", "accept")
_SCOPES = {Access.READ: Scope.DEVICE_READ, Access.MANAGE: Scope.ENVIRONMENT_MANAGE}


def router(services: Services, sessions: Sessions) -> APIRouter:
    """Build the route."""
    routes = APIRouter(
        prefix="/api/portainer", tags=["portainer"], dependencies=[Depends(sessions.key_first)]
    )

    @routes.api_route("/{device_id}/docker/{path:path}", methods=_METHODS, response_class=Response)
    async def forward(request: Request, device_id: str, path: str) -> Response:  # noqa: ARG001 - taken raw
        """Forward a call to the container engine on the device.

        Reading it needs `device:read`; all else `portainer:manage`, which can be root there.
        """
        async with sessions.writing(request) as (tx, caller):
            caller.require(Scope.DEVICE_READ)
            proxy = _proxy(services)
            inside = proxy.check_path(_path_inside(request))
            access = proxy.classify(request.method, inside)
            caller.require(_SCOPES[access])
            device = await devices.get_by_any_id(tx, caller, device_id)
            endpoint_id = await environments.endpoint_of(tx, device.ref)
            # Before the call and committed: who reached in is known whatever came of it.
            await _audit(tx, caller, device, f"{request.method} {inside}", access)
        answer = await proxy.stream(
            endpoint_id,
            request.method,
            inside,
            query=request.url.query,
            body=await request.body(),
            headers={name: request.headers[name] for name in _HANDED_ON if name in request.headers},
        )
        return StreamingResponse(
            answer.chunks,
            answer.status,
            dict(answer.headers),
            background=BackgroundTask(answer.aclose),
        )

    return routes


def _proxy(services: Services) -> EnvironmentProxy:
    if services.environments is None:
        raise DomainError(
            Kind.NOT_FOUND, "environments_off", "no Portainer is set up on this server"
        )
    return services.environments.proxy


def _path_inside(request: Request) -> str:
    """Return what follows ``/docker/``, decoded once.

    Taken from the bytes that were sent, so that an encoded slash is seen for what it is.
    """
    raw = request.scope.get("raw_path") or request.url.path.encode()
    inside = raw.split(b"?", 1)[0].split(b"/docker/", 1)[1].decode("ascii", "replace")
    if "%2f" in inside.lower() or "%5c" in inside.lower():
        raise DomainError(
            Kind.INVALID, "path_invalid", "the path holds an encoded slash; write it out"
        )
    return unquote(inside)


async def _audit(tx: Tx, caller: Caller, device: Device, call: str, access: Access) -> None:
    await audit.record(tx, caller, f"environment.{access}", device.id, {"call": call})
