"""``/{workspace}/devices/v2``: devices, their config and streams."""

from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Body, Response
from starlette.requests import Request

from moorage.core import config, devices, provisioning, streams
from moorage.core.caller import Caller, Scope
from moorage.core.devices import Device, Filter
from moorage.core.errors import DomainError, Kind
from moorage.core.workspaces import Workspace
from moorage.dialects.common import Services
from moorage.dialects.roboflow import wire
from moorage.dialects.roboflow.auth import Sessions, require
from moorage.storage import Tx

_Body = Body(default=None)


def router(services: Services, sessions: Sessions) -> APIRouter:
    """Build the routes."""
    routes = APIRouter(prefix="/{workspace}/devices/v2", tags=["devices"])

    @routes.get("")
    async def list_devices(request: Request, workspace: str) -> dict[str, Any]:
        """List every device."""
        async with sessions.reading(request, workspace) as (tx, caller):
            require(caller, Scope.DEVICE_READ)
            page = await devices.list_devices(tx, caller, Filter())
        return {"data": [wire.device(one) for one in page.items]}

    @routes.post("", status_code=201)
    async def make_device(request: Request, workspace: str, body: Any = _Body) -> dict[str, Any]:
        """Make a device; ``installId`` is its install token."""
        async with sessions.writing(request, workspace) as (tx, caller, found):
            require(caller, Scope.DEVICE_UPDATE)
            made = await _make(services, tx, caller, found, body)
        return {"deviceId": made.device.id, "installId": made.install_token.text}

    @routes.get("/default-config")
    async def get_default_config(request: Request, workspace: str) -> dict[str, Any]:
        """Return the base default with the workspace's patch merged in, and the patch."""
        async with sessions.reading(request, workspace) as (tx, caller):
            require(caller, Scope.DEVICE_READ)
            found = await config.get_default(tx, caller)
        return {"config": dict(found.document), "patch": dict(found.patch)}

    @routes.get("/{device_id}")
    async def get_device(request: Request, workspace: str, device_id: str) -> dict[str, Any]:
        """Return one device."""
        async with sessions.reading(request, workspace, device_id) as (tx, caller):
            return wire.device(await _device(tx, caller, device_id))

    @routes.get("/{device_id}/config")
    async def get_config(
        request: Request, response: Response, workspace: str, device_id: str
    ) -> dict[str, Any]:
        """Return the whole document, secrets included."""
        async with sessions.reading(request, workspace, device_id) as (tx, caller):
            device = await _device(tx, caller, device_id)
            view = await config.get(tx, caller, device.ref)
        response.headers["ETag"] = f'"{view.digest}"'
        return wire.config(device, view, workspace)

    @routes.patch("/{device_id}/config")
    async def change_config(
        request: Request, response: Response, workspace: str, device_id: str, body: Any = _Body
    ) -> dict[str, Any]:
        """Replace each top-level key of the body whole; absent keys stay."""
        parts = wire.fields(body, {"config": dict, "services": dict, "streams": dict})
        guard = request.headers.get("if-match")
        async with sessions.writing(request, workspace) as (tx, caller, _):
            require(caller, Scope.DEVICE_UPDATE)
            device = await devices.get(tx, caller, device_id, needs=Scope.DEVICE_UPDATE)
            view = await config.replace(
                tx,
                caller,
                device.ref,
                parts,
                if_match=None if guard in (None, "*") else guard.strip('"'),
            )
        response.headers["ETag"] = f'"{view.digest}"'
        return wire.config(device, view, workspace)

    @routes.get("/{device_id}/config/history")
    async def list_history(
        request: Request,
        workspace: str,
        device_id: str,
        limit: str | None = None,
        cursor: str | None = None,
    ) -> dict[str, Any]:
        """List revisions, newest first."""
        async with sessions.reading(request, workspace, device_id) as (tx, caller):
            device = await _device(tx, caller, device_id)
            size = wire.clamped(limit, "limit", default=10, most=500)
            page = await config.list_revisions(
                tx, caller, device.ref, cursor=cursor or None, limit=size
            )
        return {
            "data": [wire.revision(entry) for entry in page.items],
            "pagination": wire.pagination(page.next_cursor, size),
        }

    @routes.get("/{device_id}/streams")
    async def list_streams(request: Request, workspace: str, device_id: str) -> dict[str, Any]:
        """List streams, sources without credentials."""
        async with sessions.reading(request, workspace, device_id) as (tx, caller):
            device = await _device(tx, caller, device_id)
            found = await streams.list_streams(tx, caller, device.ref)
        return {"data": [wire.stream(one) for one in found]}

    @routes.get("/{device_id}/streams/{stream_id}")
    async def get_stream(
        request: Request, workspace: str, device_id: str, stream_id: str
    ) -> dict[str, Any]:
        """Return one stream."""
        async with sessions.reading(request, workspace, device_id) as (tx, caller):
            device = await _device(tx, caller, device_id)
            return wire.stream(await streams.get(tx, caller, device.ref, stream_id))

    return routes


async def _device(tx: Tx, caller: Caller, device_id: str) -> Device:
    require(caller, Scope.DEVICE_READ)
    return await devices.get(tx, caller, device_id)


async def _make(
    services: Services, tx: Tx, caller: Caller, workspace: Workspace, body: Any
) -> provisioning.Registered:
    told = wire.new_device(body)
    source = None
    if told.source_id is not None:
        source = await _source(tx, caller, told.source_id)
    asked = provisioning.Asked(
        name=told.name,
        type=told.type or (source.type if source else devices.DEFAULT_TYPE),
        offline=told.offline,
        workflow_id=told.workflow_id,
        copies=source is not None,
    )
    provisioning.check_asked(asked, workspace)
    return await provisioning.register(
        tx,
        caller,
        name=asked.name,
        type=asked.type,
        tags=told.tags,
        own=provisioning.first_layer(asked),
        copy_of=source,
        expires_in=timedelta(seconds=services.install_token_expires_s),
    )


async def _source(tx: Tx, caller: Caller, device_id: str) -> Device:
    """Find the device to copy; this API tells apart a foreign one from an absent one."""
    try:
        return await devices.get(tx, caller, device_id, needs=Scope.DEVICE_UPDATE)
    except DomainError as error:
        if error.kind is Kind.NOT_FOUND and await devices.is_foreign(tx, caller, device_id):
            raise DomainError(
                Kind.FORBIDDEN, "foreign_source", "sourceDeviceId belongs to another workspace"
            ) from None
        raise
