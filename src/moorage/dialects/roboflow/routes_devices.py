"""``/{workspace}/devices/v2``: devices, their config and streams."""

from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Body
from starlette.requests import Request
from starlette.responses import Response

from moorage.core import config, devices, provisioning, streams
from moorage.core.caller import Caller, Scope
from moorage.core.devices import Device, Filter
from moorage.core.errors import DomainError, Kind
from moorage.core.workspaces import Workspace
from moorage.dialects.common import Services
from moorage.dialects.common.etags import etag, if_match
from moorage.dialects.roboflow import shapes, wire
from moorage.dialects.roboflow.answers import answer, told
from moorage.dialects.roboflow.auth import Sessions, require
from moorage.storage import Tx

_Body = Body(default=None)
_NEW_DEVICE = {
    "required": ["device_name"],
    "properties": {
        "device_name": {"type": "string", "minLength": 1, "maxLength": 256, "pattern": "\\S"},
        "device_type": {"type": "string"},
        "workflow_id": {"type": "string"},
        "tags": {"type": "array", "items": {"type": "string", "minLength": 1, "pattern": "\\S"}},
        "offline_mode": {"type": "boolean"},
        "sourceDeviceId": {"type": "string"},
    },
}
_CONFIG_PARTS = {
    "properties": {name: {"type": "object"} for name in ("config", "services", "streams")}
}


def router(services: Services, sessions: Sessions) -> APIRouter:
    """Build the routes."""
    routes = APIRouter(prefix="/{workspace}/devices/v2", tags=["devices"])

    @routes.get("", **told(shapes.Devices))
    async def list_devices(request: Request, workspace: str) -> Response:
        """List every device."""
        async with sessions.reading(request, workspace) as (tx, caller):
            require(caller, Scope.DEVICE_READ)
            page = await devices.list_devices(tx, caller, Filter())
        return answer({"data": [wire.device(one) for one in page.items]})

    @routes.post("", **told(shapes.DeviceMade, 201, body=_NEW_DEVICE))
    async def make_device(request: Request, workspace: str, body: Any = _Body) -> Response:
        """Make a device; ``installId`` is its install token."""
        async with sessions.writing(request, workspace) as (tx, caller, found):
            require(caller, Scope.DEVICE_UPDATE)
            made = await _make(services, tx, caller, found, body)
        return answer(made, 201)

    @routes.get("/default-config", **told(shapes.DefaultConfig))
    async def get_default_config(request: Request, workspace: str) -> Response:
        """Return the base default with the workspace's patch merged in, and the patch."""
        async with sessions.reading(request, workspace) as (tx, caller):
            require(caller, Scope.DEVICE_READ)
            found = await config.get_default(tx, caller)
        return answer({"config": dict(found.document), "patch": dict(found.patch)})

    @routes.get("/{device_id}", **told(shapes.Device))
    async def get_device(request: Request, workspace: str, device_id: str) -> Response:
        """Return one device."""
        async with sessions.reading(request, workspace, device_id) as (tx, caller):
            return answer(wire.device(await _device(tx, caller, device_id)))

    @routes.get("/{device_id}/config", **told(shapes.Config))
    async def get_config(request: Request, workspace: str, device_id: str) -> Response:
        """Return the whole document, secrets included."""
        async with sessions.reading(request, workspace, device_id) as (tx, caller):
            device = await _device(tx, caller, device_id)
            view = await config.get(tx, caller, device.ref)
        return _config(device, view, workspace)

    @routes.patch("/{device_id}/config", **told(shapes.Config, body=_CONFIG_PARTS))
    async def change_config(
        request: Request, workspace: str, device_id: str, body: Any = _Body
    ) -> Response:
        """Replace each top-level key of the body whole; absent keys stay."""
        async with sessions.writing(request, workspace) as (tx, caller, _):
            require(caller, Scope.DEVICE_UPDATE)
            device = await devices.get(tx, caller, device_id, needs=Scope.DEVICE_UPDATE)
            parts = wire.fields(body, {"config": dict, "services": dict, "streams": dict})
            guard = if_match(request)
            view = await config.replace(tx, caller, device.ref, parts, if_match=guard)
        return _config(device, view, workspace)

    @routes.get("/{device_id}/config/history", **told(shapes.Revisions))
    async def list_history(
        request: Request,
        workspace: str,
        device_id: str,
        limit: str | None = None,
        cursor: str | None = None,
    ) -> Response:
        """List revisions, newest first."""
        async with sessions.reading(request, workspace, device_id) as (tx, caller):
            device = await _device(tx, caller, device_id)
            size = wire.clamped(limit, "limit", default=10, most=500)
            page = await config.list_revisions(
                tx, caller, device.ref, cursor=cursor or None, limit=size
            )
        data = [wire.revision(entry) for entry in page.items]
        return answer({"data": data, "pagination": wire.pagination(page.next_cursor, size)})

    @routes.get("/{device_id}/streams", **told(shapes.Streams))
    async def list_streams(request: Request, workspace: str, device_id: str) -> Response:
        """List streams, sources without credentials."""
        async with sessions.reading(request, workspace, device_id) as (tx, caller):
            device = await _device(tx, caller, device_id)
            found = await streams.list_streams(tx, caller, device.ref)
        return answer({"data": [wire.stream(one) for one in found]})

    @routes.get("/{device_id}/streams/{stream_id}", **told(shapes.Stream))
    async def get_stream(
        request: Request, workspace: str, device_id: str, stream_id: str
    ) -> Response:
        """Return one stream."""
        async with sessions.reading(request, workspace, device_id) as (tx, caller):
            device = await _device(tx, caller, device_id)
            found = await streams.get(tx, caller, device.ref, stream_id)
        return answer(wire.stream(found))

    return routes


async def _device(tx: Tx, caller: Caller, device_id: str) -> Device:
    require(caller, Scope.DEVICE_READ)
    return await devices.get(tx, caller, device_id)


def _config(device: Device, view: config.ConfigView, workspace: str) -> Response:
    return answer(wire.config(device, view, workspace), headers={"ETag": etag(view.digest)})


async def _make(
    services: Services, tx: Tx, caller: Caller, workspace: Workspace, body: Any
) -> shapes.DeviceMade:
    asks = wire.new_device(body)
    source = None
    if asks.source_id is not None:
        source = await _source(tx, caller, asks.source_id)
    asked = provisioning.Asked(
        name=asks.name,
        type=asks.type or (source.type if source else devices.DEFAULT_TYPE),
        offline=asks.offline,
        workflow_id=asks.workflow_id,
        copies=source is not None,
    )
    provisioning.check_asked(asked, workspace)
    made = await provisioning.register(
        tx,
        caller,
        name=asked.name,
        type=asked.type,
        tags=asks.tags,
        own=provisioning.first_layer(asked),
        copy_of=source,
        expires_in=timedelta(seconds=services.install_token_expires_s),
    )
    shown: shapes.DeviceMade = {"deviceId": made.device.id, "installId": made.install_token.text}
    if asked.offline:
        payload = await provisioning.new_offline_payload(
            tx, caller, made.device.id, services.signer, server=services.public_url
        )
        shown["offlineProvisioningQrPayload"] = payload.text
    return shown


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
