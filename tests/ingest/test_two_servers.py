"""Two servers on one database: what both get is stored once, and neither waits for ever."""

import asyncio

import pytest

from moorage.core import provisioning
from moorage.core.errors import Kind
from moorage.ingest import Ingest, Received, Retention
from moorage.storage import open_database
from support.senders import column, enrolled, line, outcome


@pytest.fixture
async def servers(database_url, clock):
    """Two servers, each with connections and a queue of its own."""
    databases = [open_database(database_url, clock=clock) for _ in range(2)]
    running = [Ingest(db, retention=Retention()) for db in databases]
    for ingest in running:
        ingest.start()
    yield running
    for ingest, db in zip(running, databases, strict=True):
        await ingest.stop()
        await db.close()


async def until_received(ingest, report) -> Received:
    """As a device does: again, as long as it is told to try again."""
    for _ in range(50):
        answer = await outcome(ingest, report)
        if isinstance(answer, Received):
            return answer
        assert answer.kind == Kind.UNAVAILABLE, answer
    raise AssertionError("it was never received")


async def test_one_report_at_two_servers_at_once_is_stored_once(db, owner, servers, clock):
    device = await enrolled(db, owner)
    for number in range(10):
        report = device.next(clock.now(), logs=[line(clock.now(), f"line {number}")])
        one, two = await asyncio.gather(*(until_received(server, report) for server in servers))
        device.acknowledged(report)
        assert one == two
        assert (one.sequence, one.chain) == (number + 1, device.wire.chain)
    assert len(await column(db, "SELECT message FROM log_lines")) == 10
    assert len(await column(db, "SELECT report_id FROM report_ledger")) == 10


async def test_of_two_reports_that_continue_one_chain_at_two_servers_one_is_a_fork(
    db, owner, servers, clock
):
    """Two copies of a disk, each sure to be the device."""
    device = await enrolled(db, owner)
    for number in range(10):
        reports = [
            device.next(clock.now(), logs=[line(clock.now(), f"{number} of {server}")])
            for server in (0, 1)
        ]
        answers = await asyncio.gather(*map(outcome, servers, reports))
        refused = [answer.code for answer in answers if not isinstance(answer, Received)]
        assert refused == ["chain_forked"]
        device.acknowledged(reports[isinstance(answers[1], Received)])
    assert len(await column(db, "SELECT message FROM log_lines")) == 10
    chains = await column(db, "SELECT chain FROM report_epochs")
    assert chains == [device.wire.chain]


async def test_reports_without_a_chain_at_two_servers_at_once_are_stored_once(
    db, owner, servers, clock
):
    device = await enrolled(db, owner)
    reports = [
        device.simple(clock.now(), number, logs=[line(clock.now(), f"line {number}")])
        for number in range(1, 5)
    ]
    await asyncio.gather(
        *(until_received(server, report) for report in reports for server in servers)
    )
    assert len(await column(db, "SELECT message FROM log_lines")) == 4


async def test_batches_in_opposite_orders_do_not_wait_for_each_other_for_ever(
    db, owner, servers, clock
):
    fleet = [await enrolled(db, owner, f"camera {number}") for number in range(8)]
    for _ in range(3):
        # The same devices in both batches, and a report of each at each server.
        reports = []
        for device in fleet:
            first = device.next(clock.now(), facts={"hostname": "h"}, logs=[line(clock.now())])
            device.acknowledged(first)
            reports.append(first)
        answers = await asyncio.gather(
            *(until_received(servers[0], one) for one in reports),
            *(until_received(servers[1], one) for one in reversed(reports)),
        )
        assert len(answers) == 16
    assert len(await column(db, "SELECT message FROM log_lines")) == 24


async def test_a_device_retired_at_one_server_while_the_other_writes_is_told_so(
    db, owner, servers, clock
):
    fleet = [await enrolled(db, owner, f"camera {number}") for number in range(6)]

    async def retire(device) -> None:
        async with db.write() as tx:
            await provisioning.retire(tx, owner, device.id)

    reports = [device.next(clock.now(), logs=[line(clock.now())]) for device in fleet]
    await asyncio.gather(
        *(outcome(servers[number % 2], one) for number, one in enumerate(reports)),
        *map(retire, fleet),
    )
    again = [await outcome(servers[0], one) for one in reports]
    assert [(one.kind, one.code) for one in again] == [(Kind.GONE, "device_retired")] * 6
    assert await column(db, "SELECT device_id FROM report_epochs") == []
