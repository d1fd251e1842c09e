"""A database at its budget refuses telemetry and logs, goes on with the rest, and recovers."""

import asyncio
import random

import pytest
import sqlalchemy as sa

from dialects.native_kit import Api, on_sqlite, problem_of
from moorage.ingest import Room
from moorage.server import room
from moorage.storage import StorageError
from moorage.storage.sizes import Limits
from support.devices import enrolled, rfc3339
from support.senders import column

MIB = 1024 * 1024
BUDGET = 16 * MIB


@pytest.fixture(autouse=True)
def _look_often(monkeypatch):
    monkeypatch.setattr(room, "_LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(room, "_LOOK_AT_FILES_EVERY_S", 0.02)


def lines(count: int) -> list[dict[str, str]]:
    """Lines of 32 KiB that nothing makes smaller."""
    base = {"at": rfc3339(), "service": "s", "severity": "info"}
    return [{**base, "message": random.randbytes(16 * 1024).hex()} for _ in range(count)]


async def send(running, device, body):
    return await running.client.post("/v1/reports", content=body, headers=device.headers)


async def fill(running, device):
    """Send lines until they are refused; return the report that was, and its refusal."""
    for _ in range(60):
        body = device.report(logs=lines(20))
        answer = await send(running, device, body)
        if answer.status_code != 200:
            return body, answer
        device.accept(body)
        await asyncio.sleep(0.02)  # for whoever looks how large it is
    raise AssertionError("there is no end to it")


async def taken(running, device, body) -> bool:
    """Whether a report is taken in the end."""
    for _ in range(600):
        if (await send(running, device, body)).status_code == 200:
            device.accept(body)
            return True
        await asyncio.sleep(0.02)
    return False


class TestBudget:
    @pytest.fixture
    def more_settings(self):
        return {"storage": {"budget_bytes": BUDGET}}

    async def test_lines_are_refused_and_the_rest_goes_on_until_room_is_made(self, running):
        api = Api(running)
        device = await enrolled(running.client, running.live_key)
        _, answer = await fill(running, device)
        document = problem_of(answer, 507, "storage_nearly_full")
        assert document["refused"] == ["logs"]
        assert 60 <= int(answer.headers["retry-after"]) <= 120
        bare = device.report()
        assert (await send(running, device, bare)).status_code == 200, "a heartbeat"
        sent = await running.client.post(
            f"/v1/devices/{device.id}/commands", json={"kind": "ping"}, headers=api.auth()
        )
        assert sent.status_code == 201
        other = await api.enroll()
        gone = await running.client.delete(f"/v1/devices/{other.device_id}", headers=api.auth())
        assert gone.status_code == 204
        # What clearing out does: it comes by itself when the oldest day's time is past.
        async with running.db.write() as tx:
            await tx.run(sa.text("DELETE FROM log_lines"))
        if running.db.engine.name == "postgresql":
            async with running.db.write() as tx:
                await tx.run(sa.text("TRUNCATE log_lines"))
        device.accept(bare)
        assert await taken(running, device, device.report(logs=lines(1)))


async def test_a_look_that_cannot_keep_its_size_still_closes_the_door(db):
    async with db.write() as tx:
        await tx.run(sa.text("DROP TABLE storage_sizes"))
    there = Room()
    with pytest.raises(StorageError):
        await room.RoomWatch(db, there, Limits(budget_bytes=1)).look()
    assert there.full


@on_sqlite
async def test_a_full_disk_refuses_all_that_is_written_and_is_over_when_it_is_over(running):
    """SQLite's own limit stands for the disk's: the error is the same."""
    api = Api(running)
    device = await enrolled(running.client, running.live_key)
    async with running.db.write() as tx:
        pages = (await tx.row(sa.text("PRAGMA page_count")))[0]
        await tx.row(sa.text(f"PRAGMA max_page_count = {pages + 200}"))
    body, answer = await fill(running, device)
    document = problem_of(answer, 507, "storage_full")
    assert "refused" not in document
    before = await column(running.db, "SELECT count(*) FROM log_lines")
    for _ in range(3):
        problem_of(await send(running, device, body), 507, "storage_full")
    assert await column(running.db, "SELECT count(*) FROM log_lines") == before
    assert (await api.read("/v1/devices"))["data"], "reading goes on"
    async with running.db.write() as tx:
        await tx.row(sa.text(f"PRAGMA max_page_count = {pages + 100_000}"))
    assert (await send(running, device, body)).status_code == 200
    assert await column(running.db, "SELECT count(*) FROM log_lines") == [before[0] + 20]
