"""The device's own routes: who it is, and its check-ins."""

from typing import Any

from fastapi import APIRouter, Depends
from starlette.requests import Request

from moorage.core import devices
from moorage.core.errors import DomainError, Kind
from moorage.dialects.acusight.auth import Sessions
from moorage.dialects.acusight.wire import (
    ActionOut,
    ActionsOut,
    AgentActionsOut,
    AgentCheckinIn,
    Answer,
    CheckinIn,
    SelfOut,
    measures_of,
)
from moorage.dialects.common import Services
from moorage.dialects.common.callers import DeviceKey
from moorage.ingest import CheckedIn, Checkin


def router(services: Services, sessions: Sessions) -> APIRouter:
    """Build the routes."""
    routes = APIRouter(
        prefix="/api", tags=["device"], dependencies=[Depends(sessions.device_key_first)]
    )

    @routes.get("/device/self")
    async def get_self(request: Request) -> Answer[SelfOut]:
        """Say who the device is; this much is answered to one that is not approved, too."""
        async with sessions.as_device(request) as (_, device):
            return Answer(data=SelfOut.of(device))

    @routes.post("/device/checkin")
    async def check_in(request: Request, body: CheckinIn) -> Answer[ActionsOut]:
        """Take a sign of life with measures; durable when this is answered."""
        key = await sessions.device_key(request)
        told: dict[str, Any] = {}
        if body.metrics is not None:
            told["measures"] = measures_of(body.metrics)
            if body.metrics.uptime is not None:
                told["uptime_s"] = int(body.metrics.uptime)
        done = await _check_in(services, key, health=body.status, **told)
        return Answer(data=ActionsOut(actions=_actions(done)))

    @routes.post("/agent/checkin")
    async def check_in_agent(request: Request, body: AgentCheckinIn) -> AgentActionsOut:
        """Take a sign of life of that vendor's agent."""
        key = await sessions.device_key(request)
        async with services.db.read() as tx:
            own = await devices.get_known(tx, key.device)
        if body.device_id not in (own.external_id, own.id):
            raise DomainError(
                Kind.FORBIDDEN, "foreign_device", "device_id names another device than the key does"
            )
        facts = {} if body.ip_address is None else {"ip_address": body.ip_address}
        done = await _check_in(services, key, health=body.status, told=facts)
        return AgentActionsOut(pending_actions=_actions(done))

    return routes


async def _check_in(services: Services, key: DeviceKey, **parts: Any) -> CheckedIn:
    checkin = Checkin(device=key.device, key_id=key.key_id, key_digest=key.digest, **parts)
    try:
        return await services.ingest.check_in(checkin)
    except DomainError as error:
        if error.kind in (Kind.UNAUTHENTICATED, Kind.GONE):
            services.callers.forget(key)
        raise


def _actions(done: CheckedIn) -> list[ActionOut]:
    return [] if done.edge_key is None else [ActionOut(edge_key=done.edge_key)]
