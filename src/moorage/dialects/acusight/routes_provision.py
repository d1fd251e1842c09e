"""``POST /api/devices/provision``: a token in, a device and its key out. No key is needed."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request

from moorage.core import devices, environments, provisioning
from moorage.core.environments import ManagerRefused, ManagerUnavailable
from moorage.core.errors import DomainError, Kind
from moorage.core.provisioning import Newcomer, Reserved
from moorage.dialects.acusight.wire import Answer, ProvisionedOut, ProvisionIn, facts_of
from moorage.dialects.common import Environments, Services, provisioned


def router(services: Services) -> APIRouter:
    """Build the route."""
    routes = APIRouter(prefix="/api/devices", tags=["device"])
    managed = services.environments

    @routes.post("/provision", status_code=201, response_model_exclude_none=True)
    async def provision(request: Request, body: ProvisionIn) -> Answer[ProvisionedOut]:
        """Exchange a token for a device key. All of it is durable when this is answered."""
        info = body.device_info
        newcomer = Newcomer(info.device_id, info.name)
        reserved = None
        if managed is not None and managed.required:
            reserved = await _reserved(services, managed, body.token, newcomer)
        try:
            enrolled = await provisioned(
                services,
                request,
                token=body.token,
                newcomer=newcomer,
                told=facts_of(info),
                with_environment=managed is not None,
                reserved=reserved,
            )
        finally:
            if reserved is not None:
                # Of no effect once a device has it.
                await _abandon(services, reserved.device_id)
        more: dict[str, Any] = {}
        if managed is not None:
            # After the commit: whatever becomes of this call, the device is enrolled.
            made = await managed.bring_up(enrolled.device_id)
            if made is not None and made.edge_key is not None:
                more = {"edge_key": made.edge_key, "portainer_endpoint_id": made.endpoint_id}
        return Answer(
            data=ProvisionedOut(
                device_id=info.device_id,
                endpoint_id=info.device_id,
                api_key=enrolled.device_key or "",
                api_endpoint=services.public_url,
                **more,
            )
        )

    return routes


async def _reserved(
    services: Services, managed: Environments, token: str, newcomer: Newcomer
) -> Reserved | None:
    """Make the environment of a device that is not to be without one, before the device is made.

    Raises:
        DomainError: ``unavailable`` when it cannot be had; what the token would be refused for.

    """
    device_id = devices.new_id()
    async with services.db.write(brief=True) as tx:
        wanted = await provisioning.reserve_environment(
            tx, token=token, newcomer=newcomer, device_id=device_id
        )
    if not wanted:
        return None
    try:
        return Reserved(device_id, await managed.make(device_id))
    except (ManagerUnavailable, ManagerRefused):
        await _abandon(services, device_id)
        raise DomainError(
            Kind.UNAVAILABLE,
            "environment_unavailable",
            "the device's environment cannot be made now, and this server provisions nobody "
            "without one; nothing was changed, try again later",
            retry_after_s=30,
        ) from None


async def _abandon(services: Services, device_id: str) -> None:
    async with services.db.write(brief=True) as tx:
        await environments.abandon(tx, device_id)
