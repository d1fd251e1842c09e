"""What a device runs and is asked: streams, services, commands, and the device's own wait."""

import asyncio
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query, Response
from starlette.requests import Request

from moorage.core import commands, config, devices, keys, services, streams
from moorage.core.caller import Scope
from moorage.core.commands import Command
from moorage.dialects.common import Services
from moorage.dialects.native.idempotency import answered_once
from moorage.dialects.native.pages import Limit
from moorage.dialects.native.wire import PageOut
from moorage.dialects.native.wire_running import (
    CommandIn,
    CommandOut,
    ServiceOut,
    ServicesOut,
    StreamOut,
    StreamsOut,
    WaitingOut,
)

# Without a word from other servers of the same database we look again at least this often.
_LOOK_EVERY_S = 2.0
# While their announcements come through, looking is for what nobody announces.
_LOOK_ALL_THE_SAME_S = 15.0
_HEARD_WITHIN_S = 2.0


class StreamAction(StrEnum):
    """What can be asked of a stream."""

    PAUSE = "pause"
    RESUME = "resume"
    TERMINATE = "terminate"
    TRIGGER = "trigger"
    SNAPSHOT = "snapshot"

    @property
    def kind(self) -> str:
        """The command that asks for it."""
        return commands.SNAPSHOT if self is StreamAction.SNAPSHOT else f"{self}_stream"


def router(outer: Services) -> APIRouter:
    """Build the routes."""
    routes = APIRouter(tags=["running"])
    callers = outer.callers

    @routes.get("/v1/devices/{device_id}/streams")
    async def list_streams(request: Request, device_id: str) -> StreamsOut:
        """List a device's streams, configured and reported."""
        async with callers.reading(request) as (tx, caller):
            device = await devices.get(tx, caller, device_id)
            found = await streams.list_streams(tx, caller, device.ref)
        return StreamsOut(data=[StreamOut.of(stream) for stream in found])

    @routes.get("/v1/devices/{device_id}/services")
    async def list_services(request: Request, device_id: str) -> ServicesOut:
        """List a device's services, configured and reported."""
        async with callers.reading(request) as (tx, caller):
            device = await devices.get(tx, caller, device_id)
            found = await services.list_services(tx, caller, device.ref)
        return ServicesOut(data=[ServiceOut.of(service) for service in found])

    @routes.post(
        "/v1/devices/{device_id}/streams/{stream_id}/{action}",
        status_code=201,
        response_model=CommandOut,
    )
    async def act_on_stream(
        request: Request, device_id: str, stream_id: str, action: StreamAction
    ) -> Response:
        """Queue a command for one stream."""
        async with callers.writing(request) as (tx, caller):
            device = await devices.get(tx, caller, device_id, needs=Scope.COMMAND_SEND)

            async def work() -> CommandOut:
                sent = await commands.send(
                    tx,
                    caller,
                    device.ref,
                    kind=action.kind,
                    arguments={"stream_id": stream_id},
                )
                return CommandOut.of(sent)

            answer = await answered_once(request, tx, caller, work)
        return answer

    @routes.post("/v1/devices/{device_id}/commands", status_code=201, response_model=CommandOut)
    async def send_command(request: Request, device_id: str, body: CommandIn) -> Response:
        """Queue a command; it comes with the answer to a report, at once to a device that waits."""
        needs = Scope.COMMAND_REBOOT if body.kind == "reboot" else Scope.COMMAND_SEND
        async with callers.writing(request) as (tx, caller):
            device = await devices.get(tx, caller, device_id, needs=needs)

            async def work() -> CommandOut:
                sent = await commands.send(
                    tx,
                    caller,
                    device.ref,
                    kind=body.kind,
                    arguments=body.arguments,
                    expires_in=timedelta(seconds=body.expires_in_s),
                )
                return CommandOut.of(sent)

            answer = await answered_once(request, tx, caller, work)
        return answer

    @routes.get("/v1/devices/{device_id}/commands")
    async def list_commands(
        request: Request,
        device_id: str,
        limit: Limit = 50,
        cursor: str | None = None,
    ) -> PageOut[CommandOut]:
        """List a device's commands, newest first."""
        async with callers.reading(request) as (tx, caller):
            device = await devices.get(tx, caller, device_id)
            page = await commands.list_commands(tx, caller, device.ref, cursor=cursor, limit=limit)
        data = [CommandOut.of(command) for command in page.items]
        return PageOut(data=data, next_cursor=page.next_cursor)

    @routes.get("/v1/devices/{device_id}/commands/{command_id}")
    async def get_command(request: Request, device_id: str, command_id: str) -> CommandOut:
        """Return one command."""
        async with callers.reading(request) as (tx, caller):
            device = await devices.get(tx, caller, device_id)
            return CommandOut.of(await commands.get(tx, caller, device.ref, command_id))

    @routes.delete("/v1/devices/{device_id}/commands/{command_id}")
    async def cancel_command(request: Request, device_id: str, command_id: str) -> CommandOut:
        """Take a command back; one that is delivered may still run."""
        async with callers.writing(request) as (tx, caller):
            device = await devices.get(tx, caller, device_id, needs=Scope.COMMAND_SEND)
            cancelled = CommandOut.of(await commands.cancel(tx, caller, device.ref, command_id))
        return cancelled

    @routes.get("/v1/commands")
    async def wait_for_commands(
        request: Request,
        wait: Annotated[float, Query(ge=0, le=60)] = 0,
        config_revision: Annotated[int | None, Query(ge=0)] = None,
    ) -> WaitingOut:
        """Return what a device is to do, for its own key.

        The answer is held up to ``wait`` seconds until there is something, or a config other than
        ``config_revision``.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait
        async with callers.reading(request) as (tx, caller):
            device = await devices.get_own(tx, caller)
        announcements = outer.db.announcements
        topics = (commands.topic_of(device.id), keys.topic_of_device(device.id))
        with announcements.subscribed(*topics) as woken:
            while True:
                woken.clear()
                # The key is asked for again each time, so a revoked one ends the wait. Ten thousand
                # that wait must not queue for the one writer, so it is asked only for a command.
                async with callers.reading(request) as (tx, caller):
                    device = await devices.get_own(tx, caller)
                    revisions = await config.current_revisions(tx, [device.id])
                    waits = await commands.any_open(tx, device.ref)
                revision = revisions.get(device.id)
                if revision is None:
                    continue  # deleted between two statements: the next look is refused
                found = await _taken(request) if waits else []
                fresh = config_revision is not None and revision != config_revision
                left = deadline - loop.time()
                over = left <= 0 or outer.closing.is_set()
                if found or fresh or over or await request.is_disconnected():
                    return WaitingOut.of(revision, found)
                heard = announcements.hears_others(within_s=_HEARD_WITHIN_S)
                pause = _LOOK_ALL_THE_SAME_S if heard else _LOOK_EVERY_S
                try:
                    async with asyncio.timeout(min(left, pause)):
                        await woken.wait()
                except TimeoutError:
                    continue

    async def _taken(request: Request) -> list[Command]:
        async with callers.writing(request) as (tx, caller):
            device = await devices.get_own(tx, caller)
            taken = await commands.take(tx, [device.ref])
        return list(taken.get(device.id, ()))

    return routes
