"""Drives the virtual devices of the database: a few, in this process, through our own front door.

Which server drives which is decided by a lease in the database. What a virtual device remembers of
its reports is what the ledger has of them, so whoever takes one over goes on where the ledger ends.
"""

import asyncio
import secrets
from collections.abc import Sequence
from typing import Any, Final

import httpx
import structlog
from starlette.types import ASGIApp

from moorage.core import virtual
from moorage.core.reports import Epoch
from moorage.core.virtual import Driven
from moorage.simulator import (
    PROFILES,
    Account,
    Answer,
    Fate,
    Memory,
    Nature,
    Place,
    Request,
    Unreachable,
    VirtualDevice,
    device_time,
    now,
)
from moorage.storage import Database, StorageError

_log = structlog.get_logger("moorage.virtual")
# A lease that another server let run out is announced by nobody; look at least this often.
_LOOK_EVERY_S: Final = 5.0
_STOP_WITHIN_S: Final = 5.0
_ANSWER_WITHIN_S: Final = 30.0


class VirtualFleet:
    """The virtual devices this server drives."""

    def __init__(self, db: Database, app: ASGIApp) -> None:
        """Keep the parts; nothing runs before ``start``."""
        self._db = db
        self._driver = f"drv_{secrets.token_hex(8)}"
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False),
            base_url="http://virtual.invalid",
            timeout=_ANSWER_WITHIN_S,
        )
        self._account = Account()
        self._devices: dict[str, VirtualDevice] = {}
        self._keys: dict[str, str] = {}
        self._mine_until = 0.0
        self._look_at = 0.0
        self._task: asyncio.Task[None] | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="virtual-devices")

    async def stop(self) -> None:
        """End after the requests that are under way, and leave the devices to other servers."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._under_way:
            _done, late = await asyncio.wait(self._under_way, timeout=_STOP_WITHIN_S)
            for task in late:
                task.cancel()
        await self._client.aclose()
        if not self._devices:
            return
        try:
            async with self._db.write() as tx:
                await virtual.let_go(tx, self._driver)
        except StorageError as error:
            # The lease ends by itself.
            _log.warning("virtual_devices_kept", error=str(error))

    async def _run(self) -> None:
        with self._db.announcements.subscribed(virtual.TOPIC) as woken:
            while True:
                if woken.is_set() or now().steady >= self._look_at:
                    woken.clear()
                    self._look_at = now().steady + _LOOK_EVERY_S
                    await self._look_safely()
                self._advance()
                wakes = [device.wake_at for device in self._devices.values()]
                pause = min([self._look_at, *wakes]) - now().steady
                try:
                    async with asyncio.timeout(max(pause, 0.0)):
                        await woken.wait()
                except TimeoutError:
                    pass

    async def _look_safely(self) -> None:
        try:
            await self.look()
        except StorageError as error:
            _log.warning("virtual_devices_failed", error=str(error))
        except Exception as error:  # noqa: BLE001
            # A loop that dies would be missed; log it and go on.
            _log.error("virtual_devices_failed", exc_info=error)

    async def look(self) -> None:
        """Take what nobody drives, renew what is ours, and do as owners said."""
        asked_at = now().steady
        async with self._db.read() as tx:
            if not await virtual.any_to_claim(tx, self._driver):
                self._devices.clear()
                return
        async with self._db.write() as tx:
            driven = await virtual.claim(tx, self._driver)
        # From when we asked: the lease ends for us before it ends for others.
        self._mine_until = asked_at + virtual.LEASE.total_seconds()
        self._devices = {
            one.device_id: self._devices[one.device_id]
            if one.device_id in self._devices and not one.taken_over
            else self._device(one)
            for one in driven
        }
        self._keys = {one.device_id: one.key for one in driven}
        for one in driven:
            self._obey(self._devices[one.device_id], one)

    def _device(self, one: Driven) -> VirtualDevice:
        return VirtualDevice(
            Nature(PROFILES[one.profile], one.seed, one.slot),
            one.name,
            self._account,
            now(),
            interval_s=one.interval_s,
            memory=_remembered(one.epochs),
            at_once=True,
        )

    def _obey(self, device: VirtualDevice, one: Driven) -> None:
        present = now()
        device.faulty = one.faulty
        if device.switched_on != one.online:
            device.switch(present, on=one.online)
        for told in one.happenings:
            more: dict[str, Any] = {"metadata": dict(told.metadata)}
            if told.error_code is not None:
                more["error_code"] = told.error_code
            device.happened(told.event, told.description, present, **more)

    def _advance(self) -> None:
        present = now()
        if present.steady >= self._mine_until:
            return  # another server may drive them by now; the next look says
        for device_id, device in self._devices.items():
            if device.wake_at > present.steady:
                continue
            for request in device.advance(present):
                task = asyncio.create_task(self._deliver(device_id, device, request))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)

    async def _deliver(self, device_id: str, device: VirtualDevice, request: Request) -> None:
        outcome: Answer | Unreachable = Unreachable("the connection broke")
        if request.fate is not Fate.CUT:
            outcome = await self._ask(self._keys.get(device_id, ""), request)
        if request.fate is Fate.LOSE_ANSWER:
            outcome = Unreachable("the answer was lost")
        device.answered(request, outcome, now())

    async def _ask(self, key: str, request: Request) -> Answer | Unreachable:
        told = {"Moorage-Device-Time": device_time(request, now())}
        headers = {"Authorization": f"Bearer {key}", **request.headers, **told}
        try:
            found = await self._client.request(
                request.method, request.path, content=request.body, headers=headers
            )
            body = found.json() if found.content else None
        except (httpx.HTTPError, ValueError):
            return Unreachable("no answer")
        wait = found.headers.get("retry-after", "")
        return Answer(
            found.status_code,
            body if isinstance(body, dict) else None,
            float(wait) if wait.isdigit() else None,
        )


def _remembered(epochs: Sequence[Epoch]) -> Memory:
    """Return the memory of a device of which the ledger has these epochs."""
    ordered = sorted(epochs, key=lambda one: one.last_at)
    return Memory.going_on(
        Place(one.epoch, one.store, one.backfill, one.sequence, one.chain) for one in ordered
    )
