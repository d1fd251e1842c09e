"""What happens in a workspace, as server-sent events: whoever follows and however it is shown."""

import asyncio
import contextlib
import json
import re
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from moorage.core import devices, events, logs
from moorage.core.caller import Caller, Scope
from moorage.core.devices import Device, Status
from moorage.core.errors import DomainError, Kind, invalid
from moorage.core.events import Event
from moorage.core.logs import LogLine
from moorage.kit.clock import EPOCH, rfc3339
from moorage.kit.ids import row_id_at
from moorage.storage import StorageError, Tx

_LOOK_EVERY_S = 1.0
# What happens all the time is looked at no more often than this.
_REST_S = 0.2
_STATUSES_EVERY_S = 2.0
_PING_EVERY_S = 15.0
_LONGEST_S = 3600.0
_PAGE = 500
_MOST_FEEDS = 200
# Of them one person's or key's, or somebody's many tabs would shut out all others.
_MOST_FEEDS_OF_ONE = 20
# Another server may store a row with a slightly older id a moment after we looked.
_LOOK_BACK = timedelta(seconds=10)
_LOOK_BACK_IDS = row_id_at(EPOCH + _LOOK_BACK)
_REMEMBERED = 20 * _PAGE
_POSITION = re.compile(r"e(\d{1,19})(?:\.l(\d{1,19}))?")
_GONE = "retired"

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
# Opens a reading transaction for the follower and finds out anew who it is.
Opening: TypeAlias = Callable[[], AbstractAsyncContextManager[tuple[Tx, Caller]]]


@dataclass(frozen=True)
class Shapes:
    """How what happened is told, as JSON objects."""

    event: Callable[[Event], Mapping[str, Any]]
    line: Callable[[LogLine], Mapping[str, Any]]


class Feeds:
    """Those who follow at this server: how many, and the statuses they share."""

    def __init__(self) -> None:
        """Start with none."""
        self.boards = Boards()
        self._open: Counter[str] = Counter()

    def check_room(self, actor: str | None = None) -> None:
        """Raise DomainError ``unavailable`` when so many follow that one more is too many.

        With ``actor`` also when so many do for that one.
        """
        if self._open.total() >= _MOST_FEEDS:
            raise _too_many(f"this server follows for {_MOST_FEEDS} already")
        if actor is not None and self._open[actor] >= _MOST_FEEDS_OF_ONE:
            raise _too_many(f"this server follows {_MOST_FEEDS_OF_ONE} times for you already")

    @contextmanager
    def counted(self, actor: str) -> Iterator[None]:
        """Count one follower while the block lasts."""
        self._open[actor] += 1
        try:
            yield
        finally:
            self._open[actor] -= 1
            if not self._open[actor]:
                del self._open[actor]


def _too_many(what: str) -> DomainError:
    return DomainError(
        Kind.UNAVAILABLE,
        "too_many_feeds",
        f"{what}; close one, or read the lists",
        retry_after_s=10,
    )


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

    def new(self, page: Sequence[tuple[int, *tuple[Any, ...]]]) -> Iterator[tuple[Any, ...]]:
        """Go through the rows of a page that were not returned before, and along with them."""
        for row in page:
            if row[0] not in self._sent:
                self._sent[row[0]] = None
                # With each row: a follower may be cut off in the middle of a page.
                self.at = max(self.at, row[0])
                yield row
        while len(self._sent) > _REMEMBERED:
            self._sent.popitem(last=False)
        self._next = page[-1][0] if len(page) == _PAGE else None


def _trail(text: str | None, now_id: int) -> Trail:
    """Begin now, or with the id of a message at what came since."""
    if text is None:
        return Trail(now_id, now_id)
    at = int(text)
    if at >= 2**63:
        raise _misread()
    at = min(at, now_id)  # later ones were given before the clock was set back
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


async def begin(  # noqa: PLR0913 - the parts of a feed
    feeds: Feeds,
    opening: Opening,
    shapes: Shapes,
    closing: asyncio.Event,
    *,
    device: str | None,
    last_event_id: str | None,
) -> tuple["Feed", Caller]:
    """Return a feed for whoever ``opening`` finds, with the caller it is for (``device:read``).

    Raises:
        DomainError: ``unavailable`` for want of room, ``not_found`` for the device, ``invalid``.

    """
    feeds.check_room()
    async with opening() as (tx, caller):
        caller.require(Scope.DEVICE_READ)
        feeds.check_room(caller.actor)
        followed = None if device is None else await devices.get(tx, caller, device)
        trails = _trails(last_event_id, row_id_at(tx.now))
        board = await feeds.boards.read(tx, caller)
    feed = Feed(feeds, caller.actor, opening, shapes, closing, followed, *trails, board)
    return feed, caller


@dataclass
class Feed:
    """One follower's messages."""

    _feeds: Feeds
    _actor: str
    _opening: Opening
    _shapes: Shapes
    _closing: asyncio.Event
    _device: Device | None
    _events: Trail
    _logs: Trail
    _board: Mapping[str, Status]

    async def messages(self, woken: asyncio.Event) -> AsyncIterator[str]:
        """Yield messages until the follower leaves, may follow no longer, or an hour is over."""
        with self._feeds.counted(self._actor):
            async for message in self._followed(woken):
                yield message

    async def _followed(self, woken: asyncio.Event) -> AsyncIterator[str]:
        clock = asyncio.get_running_loop().time
        began = pinged = clock()
        counts = {str(status): 0 for status in Status}
        for status in self._board.values():
            counts[status] += 1
        yield "retry: 2000\n" + self._message("hello", {"counts": counts})
        while clock() - began < _LONGEST_S and not self._closing.is_set():
            woken.clear()
            try:
                async with self._opening() as (tx, caller):
                    found = await self._look(tx, caller)
            except (DomainError, StorageError):
                # Who followed may no longer, or the device or the database is gone: coming back
                # is told so.
                return
            for message in found:
                yield message
            if clock() - pinged >= _PING_EVERY_S:
                pinged = clock()
                yield ": still here\n\n"
            if len(found) < _PAGE:
                await self._pause(woken)

    async def _pause(self, woken: asyncio.Event) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_REST_S):
                await self._closing.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_EVERY_S - _REST_S):
                await woken.wait()

    async def _look(self, tx: Tx, caller: Caller) -> list[str]:
        caller.require(Scope.DEVICE_READ)
        found = []
        after = self._events.after(tx.now)
        happened = await events.follow(tx, caller, after, limit=_PAGE)
        for _, device_id, event in self._events.new(happened):
            shown = {**self._shapes.event(event), "device_id": device_id}
            found.append(self._message("event", shown))
        if self._device is not None:
            device = await devices.get(tx, caller, self._device.id)
            lines = await logs.follow(tx, caller, device.ref, self._logs.after(tx.now), limit=_PAGE)
            for _, line in self._logs.new(lines):
                shown = {**self._shapes.line(line), "device_id": device.id}
                found.append(self._message("log", shown))
        return found + await self._changed(tx, caller)

    async def _changed(self, tx: Tx, caller: Caller) -> list[str]:
        before, now = self._board, await self._feeds.boards.read(tx, caller)
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
