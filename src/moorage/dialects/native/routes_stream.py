"""``GET /v1/stream``: what happens in a workspace, as server-sent events."""

import asyncio
import contextlib
import json
import re
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Header
from starlette.requests import Request
from starlette.responses import StreamingResponse

from moorage.core import devices, events, keys, logs
from moorage.core.caller import Caller, Scope
from moorage.core.devices import Device, Status
from moorage.core.errors import DomainError, Kind, invalid
from moorage.dialects.common import Services
from moorage.dialects.native.wire import EventOut, LogLineOut
from moorage.kit.clock import EPOCH, rfc3339
from moorage.kit.ids import row_id_at
from moorage.storage import Tx

_LOOK_EVERY_S = 1.0
# What happens all the time is looked at no more often than this.
_REST_S = 0.2
_STATUSES_EVERY_S = 2.0
_PING_EVERY_S = 15.0
_LONGEST_S = 3600.0
_PAGE = 500
_MOST_FEEDS = 200
# Another server may store a row with a slightly older id a moment after we looked.
_LOOK_BACK = timedelta(seconds=10)
_LOOK_BACK_IDS = row_id_at(EPOCH + _LOOK_BACK)
_REMEMBERED = 20 * _PAGE
_POSITION = re.compile(r"e(\d{1,19})(?:\.l(\d{1,19}))?")
_GONE = "retired"


def router(services: Services) -> APIRouter:
    """Build the route."""
    routes = APIRouter(tags=["history"])
    boards = Boards()
    open_feeds = 0

    @asynccontextmanager
    async def counted() -> AsyncIterator[None]:
        nonlocal open_feeds
        open_feeds += 1
        try:
            yield
        finally:
            open_feeds -= 1

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
        if open_feeds >= _MOST_FEEDS:
            raise DomainError(
                Kind.UNAVAILABLE,
                "too_many_feeds",
                f"this server follows for {_MOST_FEEDS} already; close one, or read the lists",
                retry_after_s=10,
            )
        async with services.callers.reading(request) as (tx, caller):
            caller.require(Scope.DEVICE_READ)
            topics = [events.topic_of(caller.workspace_id)]
            topics += [keys.topic_of(caller.key_id)] if caller.key_id else []
            followed = None if device is None else await devices.get(tx, caller, device)
            trails = _trails(last_event_id, row_id_at(tx.now))
            board = await boards.read(tx, caller)
        feed = Feed(services, request, followed, *trails, boards, board)

        async def messages() -> AsyncIterator[str]:
            async with counted():
                with services.db.announcements.subscribed(*topics) as woken:
                    async for message in feed.messages(woken):
                        yield message

        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(messages(), headers=headers, media_type="text/event-stream")

    return routes


class Trail:
    """How far a feed came in one kind of rows, by row id."""

    def __init__(self, at: int, floor: int) -> None:
        """Go on from ``at``; never look at what is not above ``floor``."""
        self.at = at
        self._floor = floor
        self._next: int | None = None
        self._sent: OrderedDict[int, None] = OrderedDict()

    def after(self, now: datetime) -> int:
        """Return the row id to read on from: a little back, unless the last page was a full one."""
        if self._next is not None:
            return self._next
        return max(self._floor, min(self.at, row_id_at(now - _LOOK_BACK)))

    def new(self, page: Sequence[tuple[int, *tuple[Any, ...]]]) -> list[tuple[Any, ...]]:
        """Return the rows of a page that were not returned before."""
        found = [row for row in page if row[0] not in self._sent]
        self._sent.update((row[0], None) for row in found)
        while len(self._sent) > _REMEMBERED:
            self._sent.popitem(last=False)
        self.at = max([self.at, *(row[0] for row in found)])
        self._next = page[-1][0] if len(page) == _PAGE else None
        return found


def _trail(text: str | None, now_id: int) -> Trail:
    """Begin now, or with the id of a message at what came since."""
    if text is None:
        return Trail(now_id, now_id)
    at = int(text)
    if at >= 2**63:
        raise _misread()
    return Trail(at, max(0, at - _LOOK_BACK_IDS))


def _misread() -> DomainError:
    return invalid("/Last-Event-ID", "send the id of a message of this feed as you got it")


def _trails(text: str | None, now_id: int) -> tuple[Trail, Trail]:
    if not text:
        return _trail(None, now_id), _trail(None, now_id)
    found = _POSITION.fullmatch(text)
    if found is None:
        raise _misread()
    return _trail(found[1], now_id), _trail(found[2], now_id)


class Boards:
    """The present statuses of each workspace, read once for all who follow it."""

    def __init__(self) -> None:
        """Start with none."""
        self._boards: dict[tuple[str, bool], tuple[float, Mapping[str, Status]]] = {}

    async def read(self, tx: Tx, caller: Caller) -> Mapping[str, Status]:
        """Return statuses by device, a moment old at most."""
        key = (caller.workspace_id, caller.live)
        now = time.monotonic()
        at, board = self._boards.get(key, (-_LONGEST_S, {}))
        if now - at >= _STATUSES_EVERY_S:
            board = await devices.statuses(tx, caller)
            self._boards[key] = (now, board)
        return board


@dataclass
class Feed:
    """One follower's messages."""

    _services: Services
    _request: Request
    _device: Device | None
    _events: Trail
    _logs: Trail
    _boards: Boards
    _board: Mapping[str, Status]

    async def messages(self, woken: asyncio.Event) -> AsyncIterator[str]:
        """Yield messages until the follower leaves, its key ends, or an hour is over."""
        clock = asyncio.get_running_loop().time
        began = pinged = clock()
        counts = {str(status): 0 for status in Status}
        for status in self._board.values():
            counts[status] += 1
        yield "retry: 2000\n" + self._message("hello", {"counts": counts})
        while clock() - began < _LONGEST_S and not self._services.closing.is_set():
            woken.clear()
            try:
                async with self._services.callers.reading(self._request) as (tx, caller):
                    found = await self._look(tx, caller)
            except DomainError:
                # The key was revoked, or the device deleted: coming back is answered properly.
                return
            for message in found:
                yield message
            if clock() - pinged >= _PING_EVERY_S:
                pinged = clock()
                yield ": still here\n\n"
            if len(found) < _PAGE:
                await self._pause(woken)

    async def _pause(self, woken: asyncio.Event) -> None:
        closing = self._services.closing
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_REST_S):
                await closing.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_EVERY_S - _REST_S):
                await woken.wait()

    async def _look(self, tx: Tx, caller: Caller) -> list[str]:
        caller.require(Scope.DEVICE_READ)
        found = []
        after = self._events.after(tx.now)
        happened = await events.follow(tx, caller, after, limit=_PAGE)
        for _, device_id, event in self._events.new(happened):
            shown = {**EventOut.of(event).model_dump(), "device_id": device_id}
            found.append(self._message("event", shown))
        if self._device is not None:
            device = await devices.get(tx, caller, self._device.id)
            lines = await logs.follow(tx, caller, device.ref, self._logs.after(tx.now), limit=_PAGE)
            for _, line in self._logs.new(lines):
                shown = {**LogLineOut.of(line).model_dump(), "device_id": device.id}
                found.append(self._message("log", shown))
        return found + await self._changed(tx, caller)

    async def _changed(self, tx: Tx, caller: Caller) -> list[str]:
        before, now = self._board, await self._boards.read(tx, caller)
        if now is before:
            return []
        self._board = now
        at = rfc3339(tx.now)
        changed = {one: str(status) for one, status in now.items() if before.get(one) != status}
        changed.update(dict.fromkeys(before.keys() - now.keys(), _GONE))
        return [
            self._message("status", {"device_id": one, "status": status, "at": at})
            for one, status in changed.items()
        ]

    def _message(self, kind: str, data: dict[str, Any]) -> str:
        return (
            f"id: e{self._events.at}.l{self._logs.at}\nevent: {kind}\ndata: {json.dumps(data)}\n\n"
        )
