"""``/v1/virtual-devices``: a few devices that the server plays itself, for demos and tests."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from moorage.core import virtual
from moorage.core.virtual import Action, Virtual
from moorage.dialects.common import Services
from moorage.dialects.native.idempotency import answered_once
from moorage.dialects.native.wire import Body, PageOut, Text
from moorage.kit.clock import rfc3339


class VirtualIn(Body):
    """Virtual devices to make; of several each has its number behind the name."""

    count: Annotated[int, Field(ge=1, le=virtual.MOST)] = 1
    profile: Text = "camera"
    name: Text | None = None
    seed: Annotated[int, Field(ge=0, le=2**53)] = 1


class DriveIn(Body):
    """What a virtual device is to do; ``event`` names the event of that action."""

    action: Annotated[Action, Field(strict=False)]
    event: Text | None = None
    description: Text | None = None
    error_code: Text | None = None
    metadata: dict[str, Any] | None = None


class VirtualOut(BaseModel):
    """A virtual device; the device of the same id has the rest."""

    id: str
    name: str
    profile: str
    seed: int
    slot: int
    online: bool
    faulty: bool
    status: str
    live_mode: bool
    created_at: str

    @classmethod
    def of(cls, found: Virtual) -> "VirtualOut":
        """Render."""
        device = found.device
        return cls(
            id=device.id,
            name=device.name,
            profile=found.profile,
            seed=found.seed,
            slot=found.slot,
            online=found.online,
            faulty=found.faulty,
            status=device.presence.status,
            live_mode=device.live,
            created_at=rfc3339(device.created_at),
        )


class VirtualMadeOut(BaseModel):
    """Virtual devices just made."""

    data: list[VirtualOut]


def router(services: Services) -> APIRouter:
    """Build the routes."""
    routes = APIRouter(prefix="/v1/virtual-devices", tags=["virtual devices"])
    callers = services.callers

    @routes.post("", status_code=201, response_model=VirtualMadeOut)
    async def make_virtual_devices(request: Request, body: VirtualIn) -> Response:
        """Make virtual devices; they report from here on."""
        async with callers.writing(request) as (tx, caller):

            async def work() -> VirtualMadeOut:
                made = await virtual.create(
                    tx,
                    caller,
                    count=body.count,
                    profile=body.profile,
                    name=body.name,
                    seed=body.seed,
                )
                return VirtualMadeOut(data=[VirtualOut.of(one) for one in made])

            answer = await answered_once(request, tx, caller, work)
        return answer

    @routes.get("")
    async def list_virtual_devices(request: Request) -> PageOut[VirtualOut]:
        """List them all, on one page: there are never many."""
        async with callers.reading(request) as (tx, caller):
            found = await virtual.list_all(tx, caller)
        return PageOut(data=[VirtualOut.of(one) for one in found], next_cursor=None)

    @routes.get("/{device_id}")
    async def get_virtual_device(request: Request, device_id: str) -> VirtualOut:
        """Return one."""
        async with callers.reading(request) as (tx, caller):
            return VirtualOut.of(await virtual.get(tx, caller, device_id))

    @routes.delete("/{device_id}", status_code=204, response_class=Response)
    async def delete_virtual_device(request: Request, device_id: str) -> Response:
        """End one, as any device is ended."""
        async with callers.writing(request) as (tx, caller):
            await virtual.delete(tx, caller, device_id)
        return Response(status_code=204)

    @routes.post("/{device_id}/drive")
    async def drive_virtual_device(request: Request, device_id: str, body: DriveIn) -> VirtualOut:
        """Have one go off the network or come back, break or be well again, or tell an event."""
        async with callers.writing(request) as (tx, caller):
            found = await virtual.drive(
                tx,
                caller,
                device_id,
                body.action,
                event=body.event,
                description=body.description,
                error_code=body.error_code,
                metadata=body.metadata,
            )
        return VirtualOut.of(found)

    return routes
