"""The server's clock jumps ahead, or back: nobody is called offline, history stays whole."""

import itertools
from collections import Counter
from datetime import timedelta

import pytest

from moorage.server.jobs import Jobs
from moorage.server.rolling import Rolling
from moorage.storage import alive
from support.devices import all_rows, enrolled, rfc3339
from support.serving import serving

RETENTION = {"telemetry_days": 1, "logs_days": 1, "events_days": 1}
REPORTS = 5


class Box:
    """A device whose own clock is right, whatever the server's says."""

    def __init__(self, api, device) -> None:
        self.api = api
        self.device = device
        self.true_time = api.clock.now()
        self.marks: list[str] = []
        self._numbers = itertools.count()

    async def report(self) -> None:
        number = next(self._numbers)
        mark = f"report {number}"
        at = rfc3339(self.true_time)
        body = self.device.report(
            telemetry=[{"at": at, "cpu_percent": number}],
            logs=[{"at": at, "service": "t", "severity": "info", "message": mark}],
        )
        headers = {**self.device.headers, "Moorage-Device-Time": at}
        answer = await self.api.client.post("/v1/reports", content=body, headers=headers)
        assert (answer.status_code, answer.json().get("notes")) == (200, None), answer.text
        self.device.accept(body)
        self.marks.append(mark)

    async def live(self, reports: int = REPORTS) -> None:
        for _ in range(reports):
            await self.wait(30)
            await self.report()
            assert await self.status() == "online"

    async def wait(self, seconds: float) -> None:
        """Let time pass at a server that marks that it is there."""
        for _ in range(int(seconds / 5)):
            self.true_time += timedelta(seconds=5)
            self.api.clock.advance(seconds=5)
            async with self.api.db.write() as tx:
                await alive.mark(tx)

    async def get(self, path: str = ""):
        headers = {"Authorization": f"Bearer {self.api.key}"}
        path = f"/v1/devices/{self.device.id}{path}"
        answer = await self.api.client.get(path, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def status(self) -> str:
        headers = {"Authorization": f"Bearer {self.api.key}"}
        listed = (await self.api.client.get("/v1/devices", headers=headers)).json()["data"]
        shown = await self.get()
        assert shown["status"] == listed[0]["status"]
        return shown["status"]

    async def history_is_whole(self) -> None:
        """Each line and sample is there once, and counted once in the sums."""
        path = f"/v1/devices/{self.device.id}"
        lines = await all_rows(self.api.client, self.api.key, f"{path}/logs")
        assert Counter(row["message"] for row in lines) == Counter(self.marks)
        assert [row["at"] for row in lines] == sorted((row["at"] for row in lines), reverse=True)
        samples = await all_rows(self.api.client, self.api.key, f"{path}/telemetry")
        numbers = sorted(row["cpu_percent"] for row in samples)
        assert numbers == list(range(len(self.marks)))
        start, end = self.true_time - timedelta(hours=21), self.true_time + timedelta(hours=21)
        window = f"start_time={rfc3339(start)}&end_time={rfc3339(end)}"
        buckets = (await self.get(f"/telemetry?bucket_s=3600&{window}"))["data"]
        assert sum(bucket["samples"] for bucket in buckets) == len(self.marks)


@pytest.fixture
async def api(database_url, clock, tmp_path):
    async with serving(database_url, clock, tmp_path, retention=RETENTION) as found:
        yield found


@pytest.fixture
async def box(api):
    made = Box(api, await enrolled(api.client, api.key))
    await made.live()
    return made


@pytest.mark.parametrize("hours", [2, -2], ids=["ahead", "back"])
async def test_a_clock_that_jumps_calls_nobody_offline_and_keeps_history_whole(api, box, hours):
    api.clock.advance(hours=hours)
    assert await box.status() == "online", "before the server has marked that it is there"
    await box.live()
    api.clock.advance(hours=-hours)
    assert await box.status() == "online"
    await box.live()
    await box.history_is_whole()
    await box.wait(120)
    assert await box.status() == "offline", "who is silent then is said to be"
    # A jump that stays, to sum up all there is.
    api.clock.advance(hours=4)
    await Rolling(api.db).run()
    await box.history_is_whole()


async def test_what_is_kept_for_a_day_is_kept_for_a_day_of_a_clock_that_was_ahead(api, box):
    jobs = Jobs(api.db, api.app.kept)
    api.clock.advance(hours=20)
    await jobs.purge()
    await box.live()
    api.clock.advance(hours=-20)
    await box.live()
    await jobs.purge()
    await box.history_is_whole()
