"""From a key in a request to a Caller: with a transaction, or through a cache for reports."""

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.requests import Request

from moorage.core import devices, keys
from moorage.core.caller import Caller, DeviceRef
from moorage.core.errors import DomainError, Kind
from moorage.storage import EVERYTHING, Database, Tx

# How long a key is believed in without having heard what other servers announced meanwhile.
_BELIEVED_S = 1.0
# A fleet that comes back is looked up many devices at once, by one connection; the others are for
# owners. So many may wait for that. What nobody knows is looked into one by one, for the reason.
_AT_ONCE = 250
_MOST_ASKED = 5_000
_UNKNOWN_AT_ONCE = 2
_BEARER = "bearer "
_LONGEST_KEY = 128


def bearer_of(authorization: str | None, *, longest: int = _LONGEST_KEY) -> str:
    """Return the key, or what else of at most ``longest`` characters, of an Authorization header.

    Raises:
        DomainError: ``unauthenticated`` when there is none.

    """
    if authorization is None or authorization[: len(_BEARER)].lower() != _BEARER:
        raise keys.unauthenticated()
    text = authorization[len(_BEARER) :].strip()
    if not text or len(text) > longest:
        raise keys.unauthenticated()
    return text


@dataclass(frozen=True, slots=True)
class DeviceKey:
    """A device's key that was found good a moment ago; ingest asks again before it commits."""

    device: DeviceRef
    key_id: str
    digest: str


class Callers:
    """Finds out who asks.

    A device's key stays in the cache until some server announces that it opens nothing more. While
    announcements of other servers do not come through, it is looked up again after a second.
    """

    def __init__(self, db: Database, *, cached: int = 50_000) -> None:
        """Keep at most ``cached`` device keys, by digest, about 1 KiB each."""
        self._db = db
        self._most = cached
        # How many announcements of keys were heard: what was looked up meanwhile is not kept.
        self._heard = 0
        # By digest: the key, and the steady time when it was found good.
        self._devices: OrderedDict[str, tuple[DeviceKey, float]] = OrderedDict()
        self._digests: dict[str, set[str]] = {}
        self._asked: list[tuple[str, asyncio.Future[Caller | None]]] = []
        self._looking: asyncio.Task[None] | None = None
        self._room = asyncio.Semaphore(_UNKNOWN_AT_ONCE)
        db.announcements.hear(self._announced)

    @asynccontextmanager
    async def reading(self, request: Request) -> AsyncIterator[tuple[Tx, Caller]]:
        """Open a reading transaction for the request's caller."""
        text = bearer_of(request.headers.get("authorization"))
        async with self._db.read() as tx:
            yield tx, await _authenticate(tx, text)

    @asynccontextmanager
    async def writing(self, request: Request) -> AsyncIterator[tuple[Tx, Caller]]:
        """Open a writing transaction for the request's caller; it commits at the block's end."""
        text = bearer_of(request.headers.get("authorization"))
        async with self._db.write(brief=True) as tx:
            yield tx, await _authenticate(tx, text)

    async def device_of(self, text: str) -> DeviceKey:
        """Return the device of a key, from the cache if it was used lately.

        Raises:
            DomainError: ``unauthenticated``; ``gone`` for a retired device; ``forbidden`` for a key
                that is no device's.

        """
        digest = keys.digest(text)
        known = self._devices.get(digest)
        if known is not None and self._believed(known[1]):
            self._devices.move_to_end(digest)
            return known[0]
        if not keys.looks_like_key(text):
            raise keys.unauthenticated()
        # From before we looked: a revocation may be committed, and heard of, while we do.
        looked_at = time.monotonic()
        self._drop(digest)
        heard = self._heard
        caller = await self._caller_of(text, digest)
        if caller.device_id is None or caller.key_id is None:
            caller.require_device()
            raise keys.unauthenticated()
        device = DeviceRef(caller.device_id, caller.workspace_id, caller.live)
        found = DeviceKey(device, caller.key_id, digest)
        if heard == self._heard:
            self._keep(found, looked_at)
        return found

    async def _caller_of(self, text: str, digest: str) -> Caller:
        """Look a key up, together with all others that come at this moment."""
        if len(self._asked) >= _MOST_ASKED:
            raise DomainError(
                Kind.UNAVAILABLE,
                "overloaded",
                "more devices come at once than can be told apart soon; try again later",
                retry_after_s=random.randint(1, 15),  # noqa: S311 - spread, no secret
            )
        answer: asyncio.Future[Caller | None] = asyncio.get_running_loop().create_future()
        self._asked.append((digest, answer))
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_up(), name="device-keys")
        caller = await answer
        if caller is not None:
            return caller
        async with self._room, self._db.read() as tx:
            return await _authenticate(tx, text)

    async def _look_up(self) -> None:
        while self._asked:
            batch, self._asked = self._asked[:_AT_ONCE], self._asked[_AT_ONCE:]
            try:
                async with self._db.read() as tx:
                    found = await keys.find_callers(tx, [digest for digest, _ in batch])
            except Exception as error:  # noqa: BLE001 - whose key it is gets to know
                for _, answer in batch:
                    if not answer.done():
                        answer.set_exception(error)
                continue
            for digest, answer in batch:
                if not answer.done():
                    answer.set_result(found.get(digest))

    def _keep(self, key: DeviceKey, looked_at: float) -> None:
        self._devices[key.digest] = (key, looked_at)
        self._digests.setdefault(key.device.device_id, set()).add(key.digest)
        if len(self._devices) > self._most:
            self._drop(next(iter(self._devices)))

    def _believed(self, looked_at: float) -> bool:
        heard_until = self._db.announcements.heard_until()
        return time.monotonic() - max(looked_at, heard_until) <= _BELIEVED_S

    def _announced(self, topic: str) -> None:
        if topic == EVERYTHING:
            self._heard += 1
            self._devices.clear()
            self._digests.clear()
        elif topic.startswith(keys.DEVICE_TOPIC):
            self._heard += 1
            for digest in list(self._digests.get(topic.removeprefix(keys.DEVICE_TOPIC), ())):
                self._drop(digest)

    def _drop(self, digest: str) -> None:
        known = self._devices.pop(digest, None)
        if known is None:
            return
        device_id = known[0].device.device_id
        left = self._digests.get(device_id, set())
        left.discard(digest)
        if not left:
            self._digests.pop(device_id, None)

    def forget(self, key: DeviceKey) -> None:
        """Drop a key that ingest found revoked."""
        self._drop(key.digest)


async def _authenticate(tx: Tx, text: str) -> Caller:
    try:
        return await keys.authenticate(tx, text)
    except DomainError as error:
        raise await retired_or(tx, text, error) from None


async def retired_or(tx: Tx, text: str, refusal: DomainError) -> DomainError:
    """Return the refusal of a key, or that its device was deleted: whose it was, it may know."""
    if keys.looks_like_key(text) and await devices.find_buried(tx, keys.digest(text)):
        return DomainError(
            Kind.GONE, "device_retired", "this device was deleted; its agent can stop for good"
        )
    return refusal
