"""``/v1/devices/{id}/logs | telemetry | events``: what a device told, newest first."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime
from starlette.requests import Request

from moorage.core import devices, events, logs, telemetry
from moorage.core.timeline import Window
from moorage.dialects.common import Services
from moorage.dialects.native.pages import Limit
from moorage.dialects.native.wire import BucketOut, EventOut, LogLineOut, PageOut, SampleOut

_DEFAULT_SPAN = timedelta(hours=1)
_Comma = Annotated[str | None, Query(max_length=1024, description="comma-separated")]


def _window(
    start_time: AwareDatetime | None = None, end_time: AwareDatetime | None = None
) -> Window:
    return Window(start_time, end_time)


def _split(text: str | None) -> list[str]:
    return [part for part in (text or "").split(",") if part]


def router(services: Services) -> APIRouter:
    """Build the routes."""
    routes = APIRouter(prefix="/v1/devices/{device_id}", tags=["history"])
    callers = services.callers

    @routes.get("/logs")
    async def list_logs(
        request: Request,
        device_id: str,
        window: Annotated[Window, Depends(_window)],
        service: _Comma = None,
        severity: _Comma = None,
        limit: Limit = 50,
        cursor: str | None = None,
    ) -> PageOut[LogLineOut]:
        """List log lines, newest first."""
        async with callers.reading(request) as (tx, caller):
            device = await devices.get(tx, caller, device_id)
            page = await logs.list_lines(
                tx,
                caller,
                device.ref,
                window,
                services=_split(service),
                severities=_split(severity),
                cursor=cursor,
                limit=limit,
            )
        return PageOut(
            data=[LogLineOut.of(line) for line in page.items], next_cursor=page.next_cursor
        )

    @routes.get("/events")
    async def list_events(
        request: Request,
        device_id: str,
        window: Annotated[Window, Depends(_window)],
        event: Annotated[str | None, Query(max_length=128)] = None,
        entity_type: Annotated[str | None, Query(max_length=128)] = None,
        entity_id: Annotated[str | None, Query(max_length=128)] = None,
        limit: Limit = 50,
        cursor: str | None = None,
    ) -> PageOut[EventOut]:
        """List events, newest first."""
        async with callers.reading(request) as (tx, caller):
            device = await devices.get(tx, caller, device_id)
            page = await events.list_events(
                tx,
                caller,
                device.ref,
                window,
                event=event,
                entity_type=entity_type,
                entity_id=entity_id,
                cursor=cursor,
                limit=limit,
            )
        return PageOut(data=[EventOut.of(one) for one in page.items], next_cursor=page.next_cursor)

    @routes.get("/telemetry")
    async def list_telemetry(
        request: Request,
        device_id: str,
        window: Annotated[Window, Depends(_window)],
        bucket_s: Annotated[int | None, Query(ge=1, le=86_400)] = None,
        limit: Limit = 50,
        cursor: str | None = None,
    ) -> PageOut[SampleOut] | PageOut[BucketOut]:
        """List samples, newest first; with ``bucket_s`` means over buckets, oldest first.

        Buckets cover the last hour unless a window is given, and come all at once.
        """
        async with callers.reading(request) as (tx, caller):
            device = await devices.get(tx, caller, device_id)
            if bucket_s is not None:
                buckets = await telemetry.buckets(
                    tx,
                    caller,
                    device.ref,
                    _closed(window, tx.now),
                    width=timedelta(seconds=bucket_s),
                )
                return PageOut(data=[BucketOut.of(one) for one in buckets], next_cursor=None)
            page = await telemetry.list_samples(
                tx, caller, device.ref, window, cursor=cursor, limit=limit
            )
        return PageOut(
            data=[SampleOut.of(sample) for sample in page.items], next_cursor=page.next_cursor
        )

    return routes


def _closed(window: Window, now: datetime) -> Window:
    end = window.end or now
    try:
        return Window(window.start or end - _DEFAULT_SPAN, end)
    except OverflowError:  # an end in the year 1
        return Window(end, end)
