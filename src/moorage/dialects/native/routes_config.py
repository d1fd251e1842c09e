"""Config: for the owner under ``/v1/devices/{id}/config``, for the device under ``/v1/config``."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Response
from starlette.requests import Request

from moorage.core import commands, config, devices
from moorage.core.caller import Scope
from moorage.core.config import ConfigView
from moorage.dialects.common import Services
from moorage.dialects.common.etags import etag, if_match, not_modified
from moorage.dialects.native.idempotency import answered_once
from moorage.dialects.native.pages import Limit
from moorage.dialects.native.wire import ConfigOut, DeviceConfigOut, PageOut
from moorage.dialects.native.wire_running import (
    CommandOut,
    DefaultConfigIn,
    DefaultConfigOut,
    RevisionEntryOut,
    RevisionOut,
    RollbackIn,
)

# Contact by reading is noted at this grain, so that polling does not become a stream of writes.
_SEEN_GRAIN = timedelta(seconds=15)


def router(services: Services) -> APIRouter:
    """Build the routes."""
    routes = APIRouter(tags=["config"])
    callers = services.callers

    @routes.get("/v1/devices/{device_id}/config")
    async def get_config(request: Request, response: Response, device_id: str) -> ConfigOut:
        """Return the desired config, where each value comes from, and what the device proved.

        The ETag is the document's, for ``If-Match``. What was proved changes without it, so there
        is no "unchanged" here.
        """
        async with callers.reading(request) as (tx, caller):
            device = await devices.get(tx, caller, device_id, needs=Scope.CONFIG_READ)
            view = await config.get(tx, caller, device.ref)
        response.headers["ETag"] = etag(view.digest)
        return ConfigOut.of(view)

    @routes.patch("/v1/devices/{device_id}/config")
    async def change_config(
        request: Request,
        response: Response,
        device_id: str,
        patch: Annotated[dict[str, Any], Body(media_type="application/merge-patch+json")],
    ) -> ConfigOut:
        """Patch the device's own layer (RFC 7396: null takes away); ``If-Match`` guards it."""
        async with callers.writing(request) as (tx, caller):
            device = await devices.get(tx, caller, device_id, needs=Scope.CONFIG_WRITE)
            view = await config.change(tx, caller, device.ref, patch, if_match=if_match(request))
        response.headers["ETag"] = etag(view.digest)
        return ConfigOut.of(view)

    @routes.post("/v1/devices/{device_id}/config/plan", status_code=201, response_model=CommandOut)
    async def plan_config(
        request: Request,
        device_id: str,
        patch: Annotated[dict[str, Any], Body(media_type="application/merge-patch+json")],
    ) -> Response:
        """Ask the device what a patch would do to it: the result of the command says so."""
        async with callers.writing(request) as (tx, caller):
            caller.require(Scope.CONFIG_WRITE)
            device = await devices.get(tx, caller, device_id, needs=Scope.COMMAND_SEND)

            async def work() -> CommandOut:
                document = await config.proposed(tx, caller, device.ref, patch)
                sent = await commands.send(
                    tx,
                    caller,
                    device.ref,
                    kind=commands.PLAN,
                    arguments={"document": dict(document)},
                )
                return CommandOut.of(sent)

            answer = await answered_once(request, tx, caller, work)
        return answer

    @routes.get(
        "/v1/config",
        response_model=DeviceConfigOut,
        responses={304: {"description": "unchanged"}},
    )
    async def get_own_config(request: Request) -> Response:
        """Return the document to apply, for a device's own key; 304 when it is unchanged."""
        async with callers.reading(request) as (tx, caller):
            device, view = await config.get_for_device(tx, caller)
            now = tx.now
        if device.last_seen_at is None or now - device.last_seen_at > _SEEN_GRAIN:
            async with services.db.write() as tx:
                await devices.mark_seen(tx, [device.id])
        headers = {"ETag": etag(view.digest)}
        if not_modified(request, view.digest):
            return Response(status_code=304, headers=headers)
        return Response(
            _document(device.id, view).model_dump_json(),
            headers=headers,
            media_type="application/json",
        )

    @routes.get("/v1/devices/{device_id}/config/revisions")
    async def list_revisions(
        request: Request,
        device_id: str,
        limit: Limit = 50,
        cursor: str | None = None,
    ) -> PageOut[RevisionEntryOut]:
        """List revisions, newest first."""
        async with callers.reading(request) as (tx, caller):
            device = await devices.get(tx, caller, device_id, needs=Scope.CONFIG_READ)
            page = await config.list_revisions(tx, caller, device.ref, cursor=cursor, limit=limit)
        data = [RevisionEntryOut.of(entry) for entry in page.items]
        return PageOut(data=data, next_cursor=page.next_cursor)

    @routes.get("/v1/devices/{device_id}/config/revisions/{revision}")
    async def get_revision(
        request: Request, device_id: str, revision: Annotated[int, Path(ge=1, le=2**31 - 1)]
    ) -> RevisionOut:
        """Return one revision with its document."""
        async with callers.reading(request) as (tx, caller):
            device = await devices.get(tx, caller, device_id, needs=Scope.CONFIG_READ)
            found = await config.get_revision(tx, caller, device.ref, revision)
        return RevisionOut.of_revision(found)

    @routes.post("/v1/devices/{device_id}/config/rollback")
    async def roll_back(
        request: Request, response: Response, device_id: str, body: RollbackIn
    ) -> ConfigOut:
        """Make a new revision that is as an earlier one was; ``If-Match`` guards it."""
        async with callers.writing(request) as (tx, caller):
            device = await devices.get(tx, caller, device_id, needs=Scope.CONFIG_WRITE)
            view = await config.roll_back(
                tx, caller, device.ref, body.revision, if_match=if_match(request)
            )
        response.headers["ETag"] = etag(view.digest)
        return ConfigOut.of(view)

    @routes.get("/v1/default-config")
    async def get_default(request: Request, response: Response) -> DefaultConfigOut:
        """Return what new devices begin with: the base with the workspace's patch merged in."""
        async with callers.reading(request) as (tx, caller):
            found = await config.get_default(tx, caller)
        response.headers["ETag"] = etag(found.digest)
        return DefaultConfigOut.of(found)

    @routes.put("/v1/default-config")
    async def set_default(
        request: Request, response: Response, body: DefaultConfigIn
    ) -> DefaultConfigOut:
        """Set the workspace's patch, for devices made from now on; ``If-Match`` guards it."""
        async with callers.writing(request) as (tx, caller):
            found = await config.set_default(tx, caller, body.patch, if_match=if_match(request))
        response.headers["ETag"] = etag(found.digest)
        return DefaultConfigOut.of(found)

    return routes


def _document(device_id: str, view: ConfigView) -> DeviceConfigOut:
    return DeviceConfigOut(
        device_id=device_id,
        revision=view.revision,
        digest=view.digest,
        document=dict(view.document),
    )
