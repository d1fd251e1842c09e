"""Owner's routes: devices and the organization."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request

from moorage.core import devices, environments, provisioning, workspaces
from moorage.core.caller import Caller, Scope
from moorage.core.devices import Approval, Changes, Device, Filter
from moorage.core.errors import invalid
from moorage.dialects.acusight.auth import Sessions
from moorage.dialects.acusight.pages import Limit, Offset
from moorage.dialects.acusight.wire import (
    Answer,
    DeletedOut,
    DeviceOut,
    DevicePatchIn,
    ListAnswer,
    OrganizationIn,
    OrganizationOut,
    paged,
    shown_id,
)
from moorage.storage import Tx


def router(sessions: Sessions) -> APIRouter:
    """Build the routes."""
    routes = APIRouter(prefix="/api", tags=["owner"], dependencies=[Depends(sessions.key_first)])

    @routes.get("/devices")
    async def list_devices(
        request: Request,
        limit: Limit = 50,
        offset: Offset = 0,
        status: Annotated[Approval | None, Query()] = None,
    ) -> ListAnswer[DeviceOut]:
        """List devices, newest first."""
        wanted = Filter(approval=status)
        async with sessions.reading(request) as (tx, caller):
            total = sum((await devices.counts(tx, caller, wanted)).values())
            page = await devices.list_devices(tx, caller, wanted, limit=limit, offset=offset)
            known = await environments.find_many(tx, [device.id for device in page.items])
        data = [DeviceOut.of(device, known.get(device.id)) for device in page.items]
        return ListAnswer(data=data, meta=paged(limit, offset, len(data), total))

    @routes.get("/devices/{device_id}")
    async def get_device(request: Request, device_id: str) -> Answer[DeviceOut]:
        """Return one device, by its id here or by ours."""
        async with sessions.reading(request) as (tx, caller):
            return await _shown(tx, await devices.get_by_any_id(tx, caller, device_id))

    @routes.patch("/devices/{device_id}")
    async def change_device(
        request: Request, device_id: str, body: DevicePatchIn
    ) -> Answer[DeviceOut]:
        """Rename a device, or say whether it may speak."""
        async with sessions.writing(request) as (tx, caller):
            device = await _to_change(tx, caller, device_id)
            if body.name is not None:
                device = await devices.update(tx, caller, device.id, Changes(name=body.name))
            if body.status is not None:
                device = await provisioning.set_approval(tx, caller, device.id, body.status)
            return await _shown(tx, device)

    @routes.delete("/devices/{device_id}")
    async def delete_device(request: Request, device_id: str) -> Answer[DeletedOut]:
        """End a device: its key stops at once, its id is free again."""
        async with sessions.writing(request) as (tx, caller):
            device = await devices.get_by_any_id(tx, caller, device_id, needs=Scope.DEVICE_DELETE)
            await provisioning.retire(tx, caller, device.id)
        return Answer(data=DeletedOut(device_id=shown_id(device)))

    @routes.post("/devices/{device_id}/release")
    async def release_device(request: Request, device_id: str) -> Answer[DeviceOut]:
        """Let the device's hardware provision anew into its record, once."""
        async with sessions.writing(request) as (tx, caller):
            device = await _to_change(tx, caller, device_id)
            return await _shown(tx, await provisioning.release(tx, caller, device.id))

    @routes.get("/organization")
    async def get_organization(request: Request) -> Answer[OrganizationOut]:
        """Return the workspace."""
        async with sessions.reading(request) as (tx, caller):
            found = await workspaces.get(tx, caller.workspace_id)
        return Answer(data=OrganizationOut.of(found))

    @routes.patch("/organization")
    async def change_organization(
        request: Request, body: OrganizationIn
    ) -> Answer[OrganizationOut]:
        """Rename the workspace."""
        async with sessions.writing(request) as (tx, caller):
            caller.require(Scope.WORKSPACE_ADMIN)
            found = await workspaces.get(tx, caller.workspace_id)
            if body.slug not in (None, found.slug):
                raise invalid("/slug", "a slug stands in addresses and never changes; leave it out")
            if body.name is not None:
                found = await workspaces.update(tx, caller, found.slug, name=body.name)
        return Answer(data=OrganizationOut.of(found))

    return routes


async def _to_change(tx: Tx, caller: Caller, device_id: str) -> Device:
    return await devices.get_by_any_id(tx, caller, device_id, needs=Scope.DEVICE_UPDATE)


async def _shown(tx: Tx, device: Device) -> Answer[DeviceOut]:
    return Answer(data=DeviceOut.of(device, await environments.find(tx, device.id)))
