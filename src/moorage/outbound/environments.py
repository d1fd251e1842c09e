"""Bringing environments up, and removing them: the calls between a transaction and the next.

A route brings up what was just asked for; a loop does what failed, was left half-way, or is to end.
Every server runs the loop; a claimed turn decides who acts.
"""

import asyncio
from typing import Protocol

import structlog

from moorage.core import environments
from moorage.core.environments import (
    Environment,
    Made,
    Manager,
    ManagerRefused,
    ManagerUnavailable,
    State,
    name_of,
)
from moorage.outbound.proxy import PortainerProxy
from moorage.storage import Database, StorageError, Tx

_log = structlog.get_logger("moorage.outbound")

_LOOK_EVERY_S = 2.0
_HEALTH_EVERY_S = 30.0
_BATCH = 8
_STOP_WITHIN_S = 5.0


class _Closing(Protocol):
    async def aclose(self) -> None: ...


class ClosingManager(Manager, _Closing, Protocol):
    """A manager with connections to close."""


async def bring_up(
    db: Database, manager: Manager, device_id: str, *, hand_over: bool = False
) -> Environment | None:
    """Make an environment that is wanted and note the outcome; return how it stands then.

    Open no transaction around it. Never raises for the manager's sake. ``hand_over``: the caller
    gives the key of one that is ready to its device, which is noted with it. None: there is none,
    or it is ending.
    """
    async with db.write() as tx:
        wanted = await environments.claim(tx, device_id)
        if wanted is None:
            return await _as_it_stands(tx, device_id, hand_over=hand_over)
    return await _make(db, manager, wanted, hand_over=hand_over)


async def _make(
    db: Database, manager: Manager, wanted: Environment, *, hand_over: bool
) -> Environment | None:
    device_id = wanted.device_id
    name = name_of(device_id)
    try:
        if wanted.endpoint_id is not None:
            # Its hardware is another now: the earlier one answers to the earlier agent only.
            await manager.remove(name, wanted.endpoint_id)
        made = await manager.make(name)
    except (ManagerUnavailable, ManagerRefused) as error:
        refused = isinstance(error, ManagerRefused)
        _log.warning("environment_not_made", device_id=device_id, error=str(error))
        async with db.write() as tx:
            await environments.record_failure(tx, device_id, str(error), refused=refused)
            return await _as_it_stands(tx, device_id, hand_over=False)
    async with db.write() as tx:
        recorded = await environments.record_made(tx, device_id, made)
        found = await _as_it_stands(tx, device_id, hand_over=hand_over)
    if not recorded:
        await _remove_stray(db, manager, device_id, made)
    return found


async def _as_it_stands(tx: Tx, device_id: str, *, hand_over: bool) -> Environment | None:
    found = await environments.find(tx, device_id)
    if found is None or found.state is State.ENDING:
        return None
    if hand_over and found.state is State.READY:
        await environments.note_handed_over(tx, device_id)
    return found


async def _remove_stray(db: Database, manager: Manager, device_id: str, made: Made) -> None:
    """Remove what was made for a device that is gone, unless its row is there to see to that."""
    async with db.read() as tx:
        if await environments.find(tx, device_id) is not None:
            return
    try:
        await manager.remove(name_of(device_id), made.endpoint_id)
    except (ManagerUnavailable, ManagerRefused) as error:
        _log.error(
            "environment_left",
            device_id=device_id,
            endpoint_id=made.endpoint_id,
            error=str(error),
        )


class ManagedEnvironments:
    """The environments of one manager: what dialects reach, the loop, and how the manager is."""

    def __init__(
        self,
        db: Database,
        manager: ClosingManager,
        proxy: PortainerProxy,
        *,
        required: bool,
        closing: asyncio.Event,
    ) -> None:
        """Keep the parts; nothing runs before ``start``. ``closing``: answers held are to end."""
        self.required = required
        self.proxy = proxy
        self._db = db
        self._manager = manager
        self._warning: str | None = None
        self._closing = closing
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._down = False
        self._woken_refused = False

    @property
    def warning(self) -> str | None:
        """What is wrong with the manager, as of the last look; None when nothing is."""
        return self._warning

    async def make(self, device_id: str) -> Made:
        """Make a reserved environment. Raises ManagerUnavailable or ManagerRefused."""
        return await self._manager.make(name_of(device_id))

    async def bring_up(self, device_id: str) -> Environment | None:
        """Make an environment that is wanted; its key, if it is ready, is noted as handed over."""
        return await bring_up(self._db, self._manager, device_id, hand_over=True)

    def start(self) -> None:
        """Begin the loops."""
        self._tasks = [
            asyncio.create_task(self._work(), name="environments"),
            asyncio.create_task(self._watch(), name="environments-health"),
            asyncio.create_task(self._end_followed(), name="environments-followed"),
        ]

    async def stop(self) -> None:
        """End after the calls that are under way, or without them after a while; then close.

        What is given up in the middle is taken up when its turn is over, by whichever server.
        """
        self._stopping.set()
        if self._tasks:
            _done, late = await asyncio.wait(self._tasks, timeout=_STOP_WITHIN_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._manager.aclose()
        await self.proxy.aclose()

    async def step(self) -> int:
        """Do what is due, a few at a time; return how many were.

        While the manager is away one at a time is tried: the others keep their place.
        """
        if not self._woken_refused:
            async with self._db.write() as tx:
                await environments.retry_refused(tx)
            self._woken_refused = True
        async with self._db.read() as tx:
            if not await environments.any_due(tx):
                return 0
        async with self._db.write() as tx:
            due = await environments.claim_due(tx, 1 if self._down else _BATCH)
        done = await asyncio.gather(*(self._turn(one) for one in due))
        self._down = bool(done) and not any(done)
        return len(due)

    async def _turn(self, environment: Environment) -> bool:
        """Take one turn; return False when the manager was away."""
        if environment.state is State.ENDING:
            return await self._remove(environment)
        if environment.state is not State.PENDING:
            return True
        found = await _make(self._db, self._manager, environment, hand_over=False)
        return found is None or found.state is not State.PENDING

    async def _remove(self, environment: Environment) -> bool:
        device_id = environment.device_id
        try:
            await self._manager.remove(name_of(device_id), environment.endpoint_id)
        except (ManagerUnavailable, ManagerRefused) as error:
            refused = isinstance(error, ManagerRefused)
            if refused or environment.tries == 0:
                _log.warning("environment_not_removed", device_id=device_id, error=str(error))
            async with self._db.write() as tx:
                await environments.record_failure(tx, device_id, str(error), refused=refused)
            return refused
        async with self._db.write() as tx:
            await environments.removed(tx, device_id)
        return True

    async def _work(self) -> None:
        with self._db.announcements.subscribed(environments.TOPIC) as woken:
            while not self._stopping.is_set():
                woken.clear()
                busy = 0
                try:
                    busy = await self.step()
                except StorageError as error:
                    _log.warning("environments_failed", error=str(error))
                except Exception as error:  # noqa: BLE001
                    # A loop that dies would be missed weeks later; log it and go on.
                    _log.error("environments_failed", exc_info=error)
                if not busy or self._down:
                    await self._pause(woken, _LOOK_EVERY_S)

    async def _watch(self) -> None:
        while not (self._stopping.is_set() or self._closing.is_set()):
            try:
                found = await self._manager.health()
            except Exception as error:  # noqa: BLE001
                found = f"the look at Portainer failed: {type(error).__name__}"
            if found != self._warning:
                _log.warning("environments_health", warning=found or "all is well again")
            self._warning = found
            await self._pause(self._closing, _HEALTH_EVERY_S)

    async def _end_followed(self) -> None:
        await self._pause(self._closing, None)
        self.proxy.end_followed()

    async def _pause(self, woken: asyncio.Event, longest_s: float | None) -> None:
        waits = [asyncio.ensure_future(one.wait()) for one in (woken, self._stopping)]
        try:
            await asyncio.wait(waits, timeout=longest_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()
