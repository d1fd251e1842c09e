"""``/v1/devices``: made, read, changed, retired; installing them anew."""

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response
from starlette.requests import Request

from moorage.core import devices, provisioning
from moorage.core.caller import Scope
from moorage.core.devices import Changes, Filter, Sort, Status
from moorage.dialects.common import Services
from moorage.dialects.native.idempotency import answered_once
from moorage.dialects.native.pages import Limit
from moorage.dialects.native.wire import (
    DeviceIn,
    DeviceMadeOut,
    DeviceOut,
    DevicePatchIn,
    DevicesOut,
    InstallIn,
    InstallTokenOut,
)
from moorage.kit.unset import UNSET

_SECRETS = frozenset({"install_token", "install_command"})


def _filter(
    status: Annotated[list[Status] | None, Query(max_length=8)] = None,
    type: Annotated[str | None, Query(max_length=64)] = None,
    tag: Annotated[list[str] | None, Query(max_length=16)] = None,
    q: Annotated[str | None, Query(max_length=256)] = None,
) -> Filter:
    return Filter(frozenset(status or ()), type, tuple(tag or ()), q)


def router(services: Services) -> APIRouter:
    """Build the routes."""
    routes = APIRouter(prefix="/v1/devices", tags=["devices"])
    callers = services.callers

    @routes.get("", response_model=DevicesOut, response_model_exclude_unset=True)
    async def list_devices(
        request: Request,
        wanted: Annotated[Filter, Depends(_filter)],
        sort: Sort = Sort.CREATED_AT_DOWN,
        include: Annotated[Literal["counts"] | None, Query()] = None,
        limit: Limit = 50,
        cursor: str | None = None,
        live_mode: bool | None = None,  # noqa: FBT001 - a query parameter
    ) -> DevicesOut:
        """List devices of the key's mode, newest first unless sorted otherwise."""
        async with callers.reading(request) as (tx, caller):
            if live_mode is not None and live_mode != caller.live:
                caller.require(Scope.DEVICE_READ)
                return DevicesOut(data=[], next_cursor=None)
            page = await devices.list_devices(
                tx, caller, wanted, sort=sort, cursor=cursor, limit=limit
            )
            found = DevicesOut(
                data=[DeviceOut.of(device) for device in page.items], next_cursor=page.next_cursor
            )
            if include == "counts":
                found.counts = {
                    str(status): count
                    for status, count in (await devices.counts(tx, caller, wanted)).items()
                }
            return found

    @routes.post("", status_code=201, response_model=DeviceMadeOut)
    async def make_device(request: Request, body: DeviceIn) -> Response:
        """Make a device; the answer holds its install token, once."""
        async with callers.writing(request) as (tx, caller):

            async def work() -> DeviceMadeOut:
                made = await provisioning.register(
                    tx,
                    caller,
                    name=body.name,
                    type=devices.DEFAULT_TYPE if body.type is None else body.type,
                    tags=body.tags,
                    reference=body.reference,
                    expires_in=timedelta(seconds=services.install_token_expires_s),
                )
                token = InstallTokenOut.of(made.install_token, services.address)
                return DeviceMadeOut(**DeviceOut.of(made.device).model_dump(), **token.model_dump())

            answer = await answered_once(request, tx, caller, work, secrets=_SECRETS)
        return answer

    @routes.get("/{device_id}")
    async def get_device(request: Request, device_id: str) -> DeviceOut:
        """Return one device."""
        async with callers.reading(request) as (tx, caller):
            return DeviceOut.of(await devices.get(tx, caller, device_id))

    @routes.patch("/{device_id}")
    async def change_device(request: Request, device_id: str, body: DevicePatchIn) -> DeviceOut:
        """Change what the body names; the rest stays."""
        given = body.model_fields_set
        changes = Changes(
            name=body.name if "name" in given else UNSET,
            type=body.type if "type" in given else UNSET,
            reference=body.reference if "reference" in given else UNSET,
            tags=body.tags if "tags" in given else UNSET,
        )
        async with callers.writing(request) as (tx, caller):
            changed = await devices.update(tx, caller, device_id, changes)
            if body.approval is not None:
                changed = await provisioning.set_approval(tx, caller, device_id, body.approval)
        return DeviceOut.of(changed)

    @routes.delete("/{device_id}", status_code=204, response_class=Response)
    async def retire_device(request: Request, device_id: str) -> Response:
        """End a device: its keys stop at once, its next report is answered 410."""
        async with callers.writing(request) as (tx, caller):
            await provisioning.retire(tx, caller, device_id)
        return Response(status_code=204)

    @routes.post("/{device_id}/release")
    async def release_device(request: Request, device_id: str) -> DeviceOut:
        """Let the device's hardware enrol anew into this record, once, whatever the token says."""
        async with callers.writing(request) as (tx, caller):
            return DeviceOut.of(await provisioning.release(tx, caller, device_id))

    @routes.post("/{device_id}/install", status_code=201, response_model=InstallTokenOut)
    async def make_install_token(
        request: Request, device_id: str, body: InstallIn | None = None
    ) -> Response:
        """Make a fresh install token, also to put this record onto new hardware."""
        said = body is not None and "expires_in_s" in body.model_fields_set
        seconds = body.expires_in_s if body and said else services.install_token_expires_s
        async with callers.writing(request) as (tx, caller):

            async def work() -> InstallTokenOut:
                token = await provisioning.new_install_token(
                    tx, caller, device_id, expires_in=timedelta(seconds=seconds)
                )
                return InstallTokenOut.of(token, services.address)

            answer = await answered_once(request, tx, caller, work, secrets=_SECRETS)
        return answer

    return routes
