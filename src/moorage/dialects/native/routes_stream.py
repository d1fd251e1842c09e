"""``GET /v1/stream``: what happens in a workspace, as server-sent events."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header
from starlette.requests import Request
from starlette.responses import StreamingResponse

from moorage.core import events, keys
from moorage.dialects.common import Services, feed
from moorage.dialects.native.wire import EventOut, LogLineOut

_SHAPES = feed.Shapes(
    event=lambda event: EventOut.of(event).model_dump(),
    line=lambda line: LogLineOut.of(line).model_dump(),
)


def router(services: Services) -> APIRouter:
    """Build the route."""
    routes = APIRouter(tags=["history"])

    @routes.get(
        "/v1/stream",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
    )
    async def stream(
        request: Request,
        device: str | None = None,
        last_event_id: Annotated[str | None, Header(include_in_schema=False)] = None,
    ) -> StreamingResponse:
        """Follow the workspace: changes of status, events, and one device's log lines.

        ``hello`` comes first, with totals by status: read what you show anew then. ``status`` names
        a device and its new status, ``event`` and ``log`` are what the lists hold. With
        ``Last-Event-ID`` events and lines since that message are sent again; the last ten seconds
        may come twice, each with the id it had.
        """
        begun, caller = await feed.begin(
            services.feeds,
            lambda: services.callers.reading(request),
            _SHAPES,
            services.closing,
            device=device,
            last_event_id=last_event_id,
        )
        topics = [events.topic_of(caller.workspace_id)]
        topics += [keys.topic_of(caller.key_id)] if caller.key_id else []

        async def messages() -> AsyncIterator[str]:
            with services.db.announcements.subscribed(*topics) as woken:
                async for message in begun.messages(woken):
                    yield message

        return StreamingResponse(messages(), headers=feed.HEADERS, media_type="text/event-stream")

    return routes
