"""Load with a ledger: what was acknowledged while something breaks, held against what is stored."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from support.devices import Device, all_rows, enrolled, rfc3339

WITHIN_S = 60


async def until(condition: Callable[[], bool], what: str = "it") -> None:
    """Wait for something, however slow the machine is."""
    for _ in range(WITHIN_S * 50):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{what} never came")


class Load:
    """Devices that send report after report, each again until it is acknowledged.

    A report is one sample, one line and one event of the same number: half of one is seen.
    """

    def __init__(self, client: httpx.AsyncClient, owner_key: str) -> None:
        self.client = client
        self.owner_key = owner_key
        self.devices: list[Device] = []
        self.acknowledged: dict[str, list[str]] = {}
        self.refused: Counter[tuple[int, str]] = Counter()
        self.unanswered = 0
        self._ended = False

    @property
    def as_owner(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.owner_key}"}

    @property
    def taken(self) -> int:
        return sum(map(len, self.acknowledged.values()))

    @property
    def marks(self) -> list[str]:
        return [mark for marks in self.acknowledged.values() for mark in marks]

    async def enrol(self, count: int) -> None:
        self.devices = [await enrolled(self.client, self.owner_key) for _ in range(count)]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send while the block lasts; at its end every report that was made is acknowledged."""
        self._ended = False
        async with asyncio.TaskGroup() as tasks:
            for device in self.devices:
                tasks.create_task(self._live(device))
            yield
            self._ended = True

    async def more(self, reports: int | None = None) -> None:
        """Wait until so many more are acknowledged; one of each device unless told."""
        wanted = self.taken + (reports or len(self.devices))
        await until(lambda: self.taken >= wanted, "an acknowledgement")

    async def refusal(self, status: int, code: str) -> None:
        """Wait until a report is refused so."""
        before = self.refused[status, code]
        await until(lambda: self.refused[status, code] > before, f"{status} {code}")

    async def _live(self, device: Device) -> None:
        marks = self.acknowledged.setdefault(device.id, [])
        for number in itertools.count(len(marks)):
            if self._ended:
                return
            mark = f"{device.id} {number}"
            body = device.report(**parts(mark, number))
            told = await self.send(device, body)
            device.accept(body)
            marks.append(mark)
            assert (told["received"], told["chain"]) == (device.sequence, device.chain)

    async def send(self, device: Device, body: bytes) -> dict[str, Any]:
        """Send one report again until it is acknowledged; each refusal says when to come back."""
        for _ in range(WITHIN_S * 20):
            try:
                answer = await self.client.post("/v1/reports", content=body, headers=device.headers)
            except httpx.TransportError:
                self.unanswered += 1
            else:
                if answer.status_code == 200:
                    received: dict[str, Any] = answer.json()
                    return received
                self.note(answer)
            await asyncio.sleep(0.05)
        raise AssertionError(f"it was never acknowledged; refused: {self.refused}")

    def note(self, answer: httpx.Response) -> None:
        """Count a refusal for now; any other is a report lost."""
        assert answer.status_code in (503, 507), answer.text
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.headers["content-type"] == "application/problem+json"
        self.refused[answer.status_code, answer.json()["code"]] += 1

    async def compare(self) -> None:
        """Hold what is stored against the ledger: each report once, whole, and no other."""
        for device in self.devices:
            marks = self.acknowledged[device.id]
            path = f"/v1/devices/{device.id}"
            lines = await all_rows(self.client, self.owner_key, f"{path}/logs")
            assert Counter(row["message"] for row in lines) == Counter(marks)
            samples = await all_rows(self.client, self.owner_key, f"{path}/telemetry")
            numbers = sorted(int(row["cpu_percent"]) for row in samples)
            assert numbers == list(range(len(marks)))
            happened = await all_rows(self.client, self.owner_key, f"{path}/events")
            told = Counter(row["description"] for row in happened if row["event"] == "test.mark")
            assert told == Counter(marks)


def parts(mark: str, number: int) -> dict[str, Any]:
    """A sample, a line and an event that name one report."""
    at = rfc3339()
    return {
        "telemetry": [{"at": at, "cpu_percent": number}],
        "logs": [{"at": at, "service": "t", "severity": "info", "message": mark}],
        "events": [{"id": mark, "at": at, "event": "test.mark", "description": mark}],
    }


async def ready(client: httpx.AsyncClient) -> bool:
    """Whether the server says it is ready; when it is not it says why, and when to look again."""
    answer = await client.get("/readyz")
    if answer.status_code == 200:
        return True
    assert answer.status_code == 503
    assert answer.json()["ready"] is False
    assert answer.json()["reason"]
    assert int(answer.headers["retry-after"]) >= 1
    return False


async def until_ready(client: httpx.AsyncClient, *, wanted: bool = True) -> None:
    for _ in range(WITHIN_S * 10):
        if await ready(client) is wanted:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"the server never said that ready is {wanted}")
