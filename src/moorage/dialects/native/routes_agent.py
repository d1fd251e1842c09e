"""Which agent the server hands out, for agents that replace themselves."""

from fastapi import APIRouter
from starlette.requests import Request

from moorage.core import provisioning
from moorage.dialects.common import Services
from moorage.dialects.native.wire_setup import AgentOut


def router(services: Services) -> APIRouter:
    """Build the routes."""
    routes = APIRouter(tags=["device"])
    callers = services.callers

    @routes.get("/v1/agent")
    async def get_agent(request: Request) -> AgentOut:
        """Return which agent the server hands out, signed, for a device's own key.

        The file itself is at `path`, below the server's address.
        """
        async with callers.reading(request) as (tx, caller):
            release = await provisioning.agent_release(tx, caller, services.signer)
        return AgentOut.of(release)

    return routes
