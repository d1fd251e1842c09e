"""Who asks: an owner with a workspace key as bearer, or a device with ``X-Device-Key``."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from starlette.requests import Request

from moorage.core import devices, keys
from moorage.core.caller import Caller
from moorage.core.devices import Device
from moorage.core.errors import DomainError, Kind
from moorage.dialects.common import KeyLimit, Services, bearer_of, retired_or
from moorage.dialects.common.callers import DeviceKey
from moorage.storage import Tx

DEVICE_KEY = "x-device-key"
_LONGEST_KEY = 128


def device_key_of(request: Request) -> str:
    """Return the key a device shows. Raises DomainError ``unauthenticated`` without one."""
    text = request.headers.get(DEVICE_KEY, "").strip()
    if not text or len(text) > _LONGEST_KEY or not keys.looks_like_key(text):
        raise DomainError(
            Kind.UNAUTHENTICATED,
            "key_invalid",
            "this key does not exist or was revoked; send the device's own as 'X-Device-Key: KEY'",
        )
    return text


class Sessions:
    """Opens transactions for the callers of this API."""

    def __init__(self, services: Services) -> None:
        """Keep the parts."""
        self._services = services
        self._limit = KeyLimit(services.requests_per_minute, services.counters, api="acusight")

    async def key_first(self, request: Request) -> None:
        """Refuse an owner's request without anything like a key before its body is looked at."""
        text = bearer_of(request.headers.get("authorization"))
        if not keys.looks_like_key(text):
            raise keys.unauthenticated()
        await self._limit.hit(text)

    async def device_key_first(self, request: Request) -> None:
        """The same for a device's."""
        await self._limit.hit(device_key_of(request))

    def reading(self, request: Request) -> AbstractAsyncContextManager[tuple[Tx, Caller]]:
        """Read as an owner."""
        return self._services.callers.reading(request)

    def writing(self, request: Request) -> AbstractAsyncContextManager[tuple[Tx, Caller]]:
        """Change something as an owner; committed at the block's end."""
        return self._services.callers.writing(request)

    @asynccontextmanager
    async def as_device(self, request: Request) -> AsyncIterator[tuple[Tx, Device]]:
        """Read as a device that asks about itself.

        It may be told that it is not approved, so a key that is disabled for that opens this much.
        """
        text = device_key_of(request)
        async with self._services.db.read() as tx:
            key = await keys.find_by_text(tx, text)
            if key is None or key.revoked_at is not None:
                raise await retired_or(tx, text, keys.unauthenticated())
            yield tx, await devices.get_own(tx, key.caller)

    async def device_key(self, request: Request) -> DeviceKey:
        """Return the device that shows its key, found good a moment ago."""
        return await self._services.callers.device_of(device_key_of(request))
