"""A run from beginning to end: enrol, live, drain, verify, delete; and what came of it."""

import asyncio
import random
import resource
import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from moorage.sdk import AsyncMoorage
from moorage.simulator import enrolment, verifying
from moorage.simulator.account import Account, Latencies
from moorage.simulator.behaviour import Nature
from moorage.simulator.client import Client
from moorage.simulator.device import VirtualDevice
from moorage.simulator.enrolment import Enrolled, Newcomer
from moorage.simulator.fleet import Fleet, Member
from moorage.simulator.profiles import PROFILES
from moorage_agent import clock

# Longer than the longest pause of an agent that found the server away.
DRAIN_WITHIN_S = 120.0
_TELL_EVERY_S = 1.0


@dataclass(frozen=True)
class Options:
    """What to simulate. ``profiles`` are dealt out in turn; the seed decides on all that is drawn.

    ``interval_s`` None: as the server asks. Latency is counted after ``warm_up_s``. ``verify`` is
    how many devices to verify in the end, None for all.
    """

    devices: int
    profiles: tuple[str, ...]
    seconds: float
    seed: int = 1
    interval_s: float | None = None
    connections: int = 128
    warm_up_s: float = 0.0
    verify: int | None = 100
    keep: bool = False


@dataclass(frozen=True)
class Progress:
    """Where a run is: which phase, how far in it, and the account so far."""

    phase: str
    done: float
    total: float
    account: Account
    under_way: int = 0


@dataclass(frozen=True)
class Outcome:
    """What came of a run."""

    run: str
    options: Options
    seconds: float
    account: Account
    verified: verifying.Verified
    kept: bool

    @property
    def lost(self) -> int:
        """Reports that were acknowledged and are not there, or that nobody can account for."""
        return self.verified.lost + abs(self.account.unaccounted)

    @property
    def balanced(self) -> bool:
        """Whether every report that was made is where it should be, once."""
        return not (self.lost or self.account.waiting or self.verified.twice)

    def as_json(self) -> dict[str, Any]:
        """Return the final account."""
        return {
            "run": self.run,
            "devices": self.options.devices,
            "profiles": list(self.options.profiles),
            "seed": self.options.seed,
            "seconds": round(self.seconds, 1),
            **self.account.as_json(),
            "verified": self.verified.as_json(),
            "lost": self.lost,
            "balanced": self.balanced,
            "kept": self.kept,
            "memory_mb": round(_peak_memory_mb(), 1),
        }


class Simulation:
    """One run; ``stop`` ends its life early, and the rest follows all the same."""

    def __init__(
        self,
        options: Options,
        client: Client,
        fleet: AsyncMoorage,
        tell: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        """Keep the parts; the clients stay their owner's."""
        self.run_id = f"sim-{secrets.token_hex(4)}"
        self.account = Account()
        self._options = options
        self._client = client
        self._api = fleet
        self._tell = tell
        self._stopping = False
        self._enrolled: dict[int, tuple[Newcomer, Enrolled]] = {}
        self._members: list[Member] = []
        self._done = 0

    def stop(self) -> None:
        """Have the devices' life end soon."""
        self._stopping = True

    async def run(self) -> Outcome:
        """Run it.

        Raises:
            SimulationFailed, ApiError, ConnectionFailed: it could not be begun, or not be cleared
                up; devices that are left carry the tag of the run.
            CancelledError: then everything is left as it is.

        """
        abandoned = False
        try:
            await self._enrol()
            lived_s = await self._live()
            verified = await self._verify()
        except asyncio.CancelledError:
            abandoned = True
            raise
        finally:
            if not (self._options.keep or abandoned):
                await self._delete()
        return Outcome(
            self.run_id, self._options, lived_s, self.account, verified, self._options.keep
        )

    async def _enrol(self) -> None:
        options = self._options
        profiles = [options.profiles[n % len(options.profiles)] for n in range(options.devices)]
        newcomers = [
            Newcomer(f"{self.run_id}-{number:05}", f"{profile} {number:05}", profile)
            for number, profile in enumerate(profiles)
        ]

        def enrolled(number: int, told: Enrolled) -> None:
            self._enrolled[number] = (newcomers[number], told)
            self._count("enrolling", options.devices)

        self._done = 0
        async with enrolment.tokens(self._api, options.profiles, self.run_id) as by:
            await enrolment.enrol(self._client, newcomers, by, enrolled)

    async def _live(self) -> float:
        now = clock.now()
        members = self._members = [
            self._member(number, newcomer, told, now)
            for number, (newcomer, told) in sorted(self._enrolled.items())
        ]
        fleet = Fleet(members, self._client, self.account)
        seconds = self._options.seconds

        def is_over() -> bool:
            return self._stopping or clock.now().steady - now.steady >= seconds

        def is_warm() -> bool:
            return is_over() or clock.now().steady - now.steady >= self._options.warm_up_s

        def living() -> Progress:
            past = min(clock.now().steady - now.steady, seconds)
            return Progress("running", past, seconds, self.account, fleet.under_way)

        def draining() -> Progress:
            done = len(members) - fleet.left()
            return Progress("draining", done, len(members), self.account, fleet.under_way)

        if self._options.warm_up_s:
            await self._telling(living, fleet.run(is_warm))
            self.account.latencies = Latencies()
        await self._telling(living, fleet.run(is_over))
        lived_s = clock.now().steady - now.steady
        await self._telling(draining, fleet.drain(DRAIN_WITHIN_S))
        return lived_s

    def _member(
        self, number: int, newcomer: Newcomer, told: Enrolled, now: clock.Instant
    ) -> Member:
        options = self._options
        device = VirtualDevice(
            Nature(PROFILES[newcomer.profile], options.seed, number),
            newcomer.name,
            self.account,
            now,
            interval_s=options.interval_s or told.interval_s,
            obeys=options.interval_s is None,
        )
        return Member(told.device_id, told.key, device)

    async def _telling(self, look: Callable[[], Progress], work: Any) -> None:
        async def forever() -> None:
            while True:
                self._tell(look())
                await asyncio.sleep(_TELL_EVERY_S)

        teller = asyncio.create_task(forever())
        try:
            await work
        finally:
            teller.cancel()
        self._tell(look())

    async def _verify(self) -> verifying.Verified:
        members = self._members
        most = self._options.verify
        if most is not None and most < len(members):
            luck = random.Random(self._options.seed)  # noqa: S311 - a sample, nothing secret
            members = luck.sample(members, most)
        self._done = 0
        return await verifying.verify(
            self._api, members, lambda: self._count("verifying", len(members))
        )

    async def _delete(self) -> None:
        ids = [told.device_id for _, told in self._enrolled.values()]
        self._done = 0
        await enrolment.delete(self._api, ids, lambda: self._count("deleting", len(ids)))

    def _count(self, phase: str, total: int) -> None:
        self._done += 1
        self._tell(Progress(phase, self._done, total, self.account))


def _peak_memory_mb() -> float:
    """Return the most memory this process had resident; Linux counts in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)
