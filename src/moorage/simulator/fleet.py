"""Many virtual devices over one client, each when its time has come; one task, one heap."""

import asyncio
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

from moorage.simulator.account import Account
from moorage.simulator.client import Client
from moorage.simulator.device import VirtualDevice
from moorage.simulator.sending import Request, device_time
from moorage_agent import clock
from moorage_agent.transport import Answer

_LONGEST_NAP_S = 0.05
# So many devices decide, then answers are heard again: a fleet that returns at once is a long list.
_AT_ONCE = 50


@dataclass(eq=False, slots=True)
class Member:
    """An enrolled device: its id on the server, its key, and how it decides."""

    device_id: str
    key: str = field(repr=False)
    device: VirtualDevice


class Fleet:
    """Drives its members; all of them share one account."""

    def __init__(self, members: list[Member], client: Client, account: Account) -> None:
        """Keep the parts."""
        self.members = members
        self._client = client
        self._account = account
        self._planned = [0.0] * len(members)
        self._heap: list[tuple[float, int]] = []
        self._under_way: set[asyncio.Task[None]] = set()
        for number in range(len(members)):
            self._plan(number)

    @property
    def under_way(self) -> int:
        """How many requests are under way, or wait for a connection."""
        return len(self._under_way)

    async def run(self, is_over: Callable[[], bool]) -> None:
        """Let the devices live until it is over; requests may still be under way then."""
        while not is_over():
            now = clock.now()
            due = self._due(now.steady)
            for at, number in enumerate(due):
                self._advance(number, now)
                if at % _AT_ONCE == _AT_ONCE - 1:
                    await asyncio.sleep(0)
                    now = clock.now()
            next_at = self._heap[0][0] if self._heap else now.steady + _LONGEST_NAP_S
            pause = min(max(next_at - clock.now().steady, 0.0), _LONGEST_NAP_S)
            await asyncio.sleep(pause)

    async def drain(self, within_s: float) -> bool:
        """Have everything that was gathered delivered; return whether it was."""
        now = clock.now()
        deadline = now.steady + within_s
        for number, member in enumerate(self.members):
            member.device.finish(now)
            self._plan(number)
        await self.run(lambda: self._is_drained() or clock.now().steady > deadline)
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        return self._is_drained()

    def left(self) -> int:
        """How many devices have something left to deliver."""
        return sum(not member.device.is_done for member in self.members)

    def _is_drained(self) -> bool:
        return not self._under_way and self._account.waiting == 0 and self.left() == 0

    def _due(self, steady: float) -> list[int]:
        due = []
        while self._heap and self._heap[0][0] <= steady:
            at, number = heapq.heappop(self._heap)
            if self._planned[number] == at:
                due.append(number)
        return due

    def _plan(self, number: int) -> None:
        at = self.members[number].device.wake_at
        self._planned[number] = at
        heapq.heappush(self._heap, (at, number))

    def _advance(self, number: int, now: clock.Instant) -> None:
        for request in self.members[number].device.advance(now):
            task = asyncio.create_task(self._deliver(number, request))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        self._plan(number)

    async def _deliver(self, number: int, request: Request) -> None:
        member = self.members[number]

        def headers() -> dict[str, str]:
            told = {"Moorage-Device-Time": device_time(request, clock.now())}
            return {"Authorization": f"Bearer {member.key}", **request.headers, **told}

        began = clock.now().steady
        outcome = await self._client.request(
            request.method, request.path, request.body, headers, request.fate
        )
        now = clock.now()
        if isinstance(outcome, Answer) and request.lane is not None:
            self._account.latencies.add(now.steady - began)
        member.device.answered(request, outcome, now)
        self._plan(number)
