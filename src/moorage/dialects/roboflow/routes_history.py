"""``/{workspace}/devices/v2/{id}/logs | telemetry | events``: what a device told."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from moorage.core import devices, events, logs, streams, telemetry
from moorage.core.caller import Caller, Scope
from moorage.core.devices import Device
from moorage.core.timeline import Window
from moorage.dialects.roboflow import shapes, wire
from moorage.dialects.roboflow.answers import answer, told
from moorage.dialects.roboflow.auth import Sessions, require
from moorage.dialects.roboflow.limits import ReadLimits
from moorage.storage import Tx

_MOST = 1000
_DEFAULT = 100


def router(sessions: Sessions, limits: ReadLimits) -> APIRouter:
    """Build the routes."""
    routes = APIRouter(prefix="/{workspace}/devices/v2/{device_id}", tags=["history"])

    @routes.get("/logs", **told(shapes.LogLines))
    async def list_logs(
        request: Request,
        workspace: str,
        device_id: str,
        limit: str | None = None,
        start_time: str | None = None,
        end_time: str | None = None,
        service: str | None = None,
        severity: str | None = None,
        cursor: str | None = None,
    ) -> Response:
        """List log lines, newest first."""
        async with sessions.reading(request, workspace, device_id) as (tx, caller):
            device = await _device(tx, caller, device_id)
            address = request.client.host if request.client else ""
            await limits.logs(address, caller.workspace_id)
            size = wire.clamped(limit, "limit", default=_DEFAULT, most=_MOST)
            page = await logs.list_lines(
                tx,
                caller,
                device.ref,
                _window(start_time, end_time),
                services=_split(service),
                severities=_split(severity),
                cursor=cursor or None,
                limit=size,
            )
        data = [wire.log_line(line) for line in page.items]
        return answer({"data": data, "pagination": wire.pagination(page.next_cursor, size)})

    @routes.get("/telemetry", **told(shapes.Telemetry))
    async def get_telemetry(
        request: Request, workspace: str, device_id: str, time_period: str | None = None
    ) -> Response:
        """Return means over buckets of the period, oldest first."""
        period = time_period or "24h"
        async with sessions.reading(request, workspace, device_id) as (tx, caller):
            device = await _device(tx, caller, device_id)
            if period not in wire.PERIODS:
                raise wire.bad(f"time_period must be one of {', '.join(wire.PERIODS)}")
            span, width, spelled = wire.PERIODS[period]
            await limits.telemetry(device.id)
            window = Window(tx.now - span, tx.now)
            buckets = await telemetry.buckets(tx, caller, device.ref, window, width=width)
            rates = await streams.fps(tx, caller, device.ref, window, width=width)
        return answer(
            {
                "time_period": period,
                "bucket_interval": spelled,
                "buckets": [wire.bucket(one) for one in buckets],
                "stream_fps": [wire.stream_fps(one) for one in rates],
            }
        )

    @routes.get("/events", **told(shapes.Events))
    async def list_events(
        request: Request,
        workspace: str,
        device_id: str,
        entity_type: str | None = None,
        entity_id: str | None = None,
        event: str | None = None,
        start_time: str | None = None,
        end_time: str | None = None,
        limit: str | None = None,
        cursor: str | None = None,
        direction: str | None = None,
    ) -> Response:
        """List events, newest first; ``direction`` says which way from the cursor."""
        async with sessions.reading(request, workspace, device_id) as (tx, caller):
            device = await _device(tx, caller, device_id)
            if direction not in (None, "", "backward", "forward"):
                raise wire.bad("direction must be backward or forward")
            size = wire.clamped(limit, "limit", default=_DEFAULT, most=_MOST)
            forward = direction == "forward"
            found, span = await events.walk_events(
                tx,
                caller,
                device.ref,
                _window(start_time, end_time),
                entity_type=entity_type or None,
                entity_id=entity_id or None,
                event=event or None,
                cursor=cursor or None,
                forward=forward,
                limit=size,
            )
        following, back = (span.newer, span.older) if forward else (span.older, span.newer)
        pagination: shapes.TwoWayPagination = {
            "next_cursor": following if span.more else None,
            "prev_cursor": back,
            "has_more": span.more,
            "limit": size,
        }
        return answer({"data": [wire.event(one) for one in found], "pagination": pagination})

    return routes


async def _device(tx: Tx, caller: Caller, device_id: str) -> Device:
    require(caller, Scope.DEVICE_READ)
    return await devices.get(tx, caller, device_id)


def _window(start: str | None, end: str | None) -> Window:
    return Window(wire.moment(start, "start_time"), wire.moment(end, "end_time"))


def _split(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]
