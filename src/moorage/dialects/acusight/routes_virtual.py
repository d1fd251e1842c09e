"""Virtual devices: a few that the server plays itself, for demos and tests."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.requests import Request

from moorage.core import virtual
from moorage.core.virtual import Action, Virtual
from moorage.dialects.acusight.auth import Sessions
from moorage.dialects.acusight.wire import (
    Answer,
    Body,
    DeletedOut,
    ListAnswer,
    Text,
    paged,
    shown_id,
)


class VirtualIn(Body):
    """Virtual devices to make."""

    count: Annotated[int, Field(ge=1, le=virtual.MOST)] = 1
    profile: Text = "camera"


class DriveIn(Body):
    """What one is to do."""

    action: Annotated[Action, Field(strict=False)]
    event: Text | None = None
    description: Text | None = None
    metadata: dict[str, Any] | None = None


class VirtualOut(BaseModel):
    """A virtual device."""

    device_id: str
    name: str
    profile: str
    online: bool
    faulty: bool
    connection: str

    @classmethod
    def of(cls, found: Virtual) -> "VirtualOut":
        """Render."""
        return cls(
            device_id=shown_id(found.device),
            name=found.device.name,
            profile=found.profile,
            online=found.online,
            faulty=found.faulty,
            connection=found.device.presence.status,
        )


def router(sessions: Sessions) -> APIRouter:
    """Build the routes."""
    routes = APIRouter(
        prefix="/api/virtual-devices", tags=["virtual"], dependencies=[Depends(sessions.key_first)]
    )

    @routes.post("", status_code=201)
    async def make_virtual_devices(request: Request, body: VirtualIn) -> ListAnswer[VirtualOut]:
        """Make virtual devices; they report from here on."""
        async with sessions.writing(request) as (tx, caller):
            made = await virtual.create(tx, caller, count=body.count, profile=body.profile)
        return _listed(made)

    @routes.get("")
    async def list_virtual_devices(request: Request) -> ListAnswer[VirtualOut]:
        """List them all."""
        async with sessions.reading(request) as (tx, caller):
            return _listed(await virtual.list_all(tx, caller))

    @routes.get("/{device_id}")
    async def get_virtual_device(request: Request, device_id: str) -> Answer[VirtualOut]:
        """Return one."""
        async with sessions.reading(request) as (tx, caller):
            return Answer(data=VirtualOut.of(await virtual.get(tx, caller, device_id)))

    @routes.delete("/{device_id}")
    async def delete_virtual_device(request: Request, device_id: str) -> Answer[DeletedOut]:
        """End one, as any device is ended."""
        async with sessions.writing(request) as (tx, caller):
            await virtual.delete(tx, caller, device_id)
        return Answer(data=DeletedOut(device_id=device_id))

    @routes.post("/{device_id}/drive")
    async def drive_virtual_device(
        request: Request, device_id: str, body: DriveIn
    ) -> Answer[VirtualOut]:
        """Have one go off the network or come back, break or be well again, or tell an event."""
        async with sessions.writing(request) as (tx, caller):
            found = await virtual.drive(
                tx,
                caller,
                device_id,
                body.action,
                event=body.event,
                description=body.description,
                metadata=body.metadata,
            )
        return Answer(data=VirtualOut.of(found))

    return routes


def _listed(found: list[Virtual]) -> ListAnswer[VirtualOut]:
    data = [VirtualOut.of(one) for one in found]
    return ListAnswer(data=data, meta=paged(virtual.MOST, 0, len(data), len(data)))
