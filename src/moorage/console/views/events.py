"""``GET /console/events``: what happens in the workspace, for the pages that are open."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from moorage.console import web
from moorage.core import events
from moorage.core.events import Event
from moorage.core.logs import LogLine
from moorage.dialects.common import feed
from moorage.kit.clock import rfc3339


def _event(event: Event) -> Mapping[str, Any]:
    return {"event": event.event, "entity_type": event.entity_type, "entity_id": event.entity_id}


def _line(line: LogLine) -> Mapping[str, Any]:
    return {
        "at": rfc3339(line.at),
        "service": line.service,
        "severity": str(line.severity),
        "message": line.message,
    }


async def follow(request: Request) -> Response:
    """Follow the workspace, with ``device`` also that device's log lines.

    The session is looked up anew at each look, once a second: with it the stream ends.
    """
    services = web.console_of(request).services
    begun, caller = await feed.begin(
        services.feeds,
        lambda: web.reading(request),
        feed.Shapes(_event, _line),
        services.closing,
        device=request.query_params.get("device"),
        last_event_id=request.headers.get("last-event-id"),
    )

    async def messages() -> AsyncIterator[str]:
        topic = events.topic_of(caller.workspace_id)
        with services.db.announcements.subscribed(topic) as woken:
            async for message in begun.messages(woken):
                yield message

    return StreamingResponse(messages(), headers=feed.HEADERS, media_type="text/event-stream")
