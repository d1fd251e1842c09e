"""``device watch`` by the server's feed: each change as it happens, not asked for over and over."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Any

from moorage import sdk
from moorage.cli.owner import output
from moorage.cli.owner.session import async_client

Changed = Callable[[Mapping[str, sdk.Device], Mapping[str, sdk.Device]], None]
Began = Callable[[Mapping[str, sdk.Device]], None]


def watch(
    profile: str | None,
    ids: Collection[str],
    filters: Mapping[str, Any],
    timeout_s: int | None,
    *,
    began: Began,
    changed: Changed,
) -> bool:
    """Follow the devices named, or all that type and tags leave, until the time is up.

    ``began`` gets what is there first, ``changed`` what was there before and after, each time.
    Returns False at once when the server has no feed, or none to spare.
    """

    async def follow() -> bool:
        try:
            async with asyncio.timeout(timeout_s), async_client(profile) as client:
                return await _Watch(client, ids, filters, began, changed).follow()
        except TimeoutError:
            return True

    return asyncio.run(follow())


class _Watch:
    """What is known of the devices, and what a message changes of it."""

    def __init__(
        self,
        client: sdk.AsyncMoorage,
        ids: Collection[str],
        filters: Mapping[str, Any],
        began: Began,
        changed: Changed,
    ) -> None:
        self._client = client
        self._ids = ids
        self._filters = filters
        self._began = began
        self._changed = changed
        self._known: dict[str, sdk.Device] | None = None
        self._lost = False

    async def follow(self) -> bool:
        """Take messages until there are no more; return False if there are none to be had."""
        try:
            async for message in self._client.stream(lost=self._note):
                try:
                    await self._take(message)
                except (sdk.ConnectionFailed, sdk.ServerFailed, sdk.RateLimited) as error:
                    if self._known is None:
                        raise
                    # The next message, whatever it tells, makes it good.
                    self._note(str(error))
        except (sdk.NotFound, sdk.Unavailable):
            if self._known is None:
                return False
            raise
        return True

    def _note(self, why: str) -> None:
        if not self._lost:
            output.note(f"no answer, trying on: {why}")
        self._lost = True

    async def _take(self, message: sdk.Message) -> None:
        # After a look that failed all is looked at: what it missed, nobody tells again.
        if message.kind == "hello" or self._lost:
            now = await self._look()
            if self._known is None:
                self._began(now)
            else:
                self._changed(self._known, now)
            self._known = now
        elif message.kind == "status":
            await self._look_at(str(message.data.get("device_id")))
        if self._lost:
            output.note("the server answers again")
        self._lost = False

    async def _look(self) -> dict[str, sdk.Device]:
        if self._ids:
            found = [await self._there(one) for one in sorted(self._ids)]
            return {one.id: one for one in found if one is not None}
        return {one.id: one async for one in self._client.devices.iterate(**self._filters)}

    async def _look_at(self, device_id: str) -> None:
        if self._known is None or (self._ids and device_id not in self._ids):
            return
        device = await self._there(device_id)
        old = self._known.pop(device_id, None)
        before = {} if old is None else {device_id: old}
        # One that was watched stays so, whatever became of its tags.
        now = {} if device is None or not (before or self._wanted(device)) else {device_id: device}
        self._known.update(now)
        self._changed(before, now)

    def _wanted(self, device: sdk.Device) -> bool:
        kind, tags = self._filters.get("type"), self._filters.get("tag") or ()
        return (kind is None or device.type == kind) and set(tags) <= set(device.tags)

    async def _there(self, device_id: str) -> sdk.Device | None:
        try:
            return await self._client.devices.get(device_id)
        except sdk.NotFound:
            return None
