"""Without room only what adds up is refused; a device stays online, and loses nothing by it."""

import pytest

from moorage.core import commands, devices
from moorage.core.errors import DomainError, Kind
from moorage.ingest import Checkin, Report
from moorage.ingest.room import Room
from moorage.storage.sizes import Limits, Size, is_full
from support.devices import rfc3339
from support.senders import column, line, outcome

GIB = 1024**3


@pytest.mark.parametrize(
    ("used", "free", "was_full", "expected"),
    [
        (94, None, False, False),
        (95, None, False, True),
        (94, None, True, True),
        (90, None, True, True),
        (89, None, True, False),
        (10, 100, False, False),
        (10, 0.9, False, True),
        (10, 1.1, False, False),
        (10, 1.1, True, True),
        (10, 1.3, True, False),
    ],
)
def test_what_was_full_is_so_until_there_is_clearly_room(used, free, was_full, expected):
    size = Size(used * GIB, None if free is None else int(free * GIB), 1000 * GIB)
    assert is_full(size, Limits(budget_bytes=100 * GIB), was_full=was_full) is expected


def test_of_a_small_disk_a_twentieth_is_left_free_and_no_more():
    limits = Limits(least_free_bytes=GIB)
    assert not is_full(Size(0, int(0.3 * GIB), 4 * GIB), limits, was_full=False)
    assert is_full(Size(0, int(0.1 * GIB), 4 * GIB), limits, was_full=False)


def test_without_a_budget_and_without_a_disk_to_see_there_is_always_room():
    assert not is_full(Size(10**15), Limits(), was_full=False)
    assert Limits().most_bytes(Size(10**15)) is None


def test_how_long_to_wait_is_spread_over_a_minute():
    room = Room()
    room.full = True
    report = Report(epoch="e", sequence=1, sent_at=None, logs=[None])
    pauses = {room.refusal(report).retry_after_s for _ in range(200)}
    assert 60 <= min(pauses) < max(pauses) <= 120
    assert len(pauses) > 20


async def counts(db) -> list[int]:
    return [
        (await column(db, f"SELECT count(*) FROM {table}"))[0]
        for table in ("telemetry_samples", "log_lines", "stream_samples", "report_ledger")
    ]


async def test_a_report_that_adds_up_is_refused_by_name_and_its_device_stays_online(
    db, owner, clock, ingest, device
):
    ingest.room.full = True
    clock.advance(hours=1)
    at = clock.now()
    report = device.next(at, telemetry=[{"at": rfc3339(at)}], logs=[line(at)])
    refusal = await outcome(ingest, report)
    assert isinstance(refusal, DomainError)
    assert (refusal.kind, refusal.code) == (Kind.STORAGE_FULL, "storage_nearly_full")
    assert refusal.extra == {"refused": ["logs", "telemetry"]}
    assert await counts(db) == [0, 0, 0, 0]
    async with db.read() as tx:
        seen = await devices.get(tx, owner, device.id)
    assert seen.presence.last_contact_at == at
    # The chain did not move: the very same report is taken when there is room.
    ingest.room.full = False
    assert (await ingest.submit(report)).sequence == 1
    assert await counts(db) == [1, 1, 0, 1]


async def test_everything_else_goes_on_without_room(db, owner, clock, ingest, device):
    ingest.room.full = True
    at = clock.now()
    async with db.write() as tx:
        ref = (await devices.get(tx, owner, device.id)).ref
        command = await commands.send(tx, owner, ref, kind="ping", arguments={})
    report = device.next(
        at,
        events=[{"id": "e", "at": rfc3339(at), "event": "made.up"}],
        streams=[{"id": "s", "camera_fps": 25, "status": "running"}],
        services=[{"name": "x", "state": "running"}],
    )
    answer = await ingest.submit(report)
    assert [one.id for one in answer.commands] == [command.id]
    device.acknowledged(report)
    result = {"id": command.id, "state": "succeeded", "result": {}}
    await ingest.submit(device.next(at, commands=[result]))
    assert await column(db, "SELECT state FROM commands") == ["succeeded"]
    assert await column(db, "SELECT status FROM stream_states") == ["running"]
    assert await column(db, "SELECT event FROM events WHERE event = 'made.up'") == ["made.up"]
    assert (await counts(db))[:3] == [0, 0, 0], "rates are not added to the record"


async def test_a_report_that_was_stored_is_acknowledged_again_without_room(
    db, clock, ingest, device
):
    at = clock.now()
    report = device.next(at, telemetry=[{"at": rfc3339(at)}])
    first = await ingest.submit(report)
    ingest.room.full = True
    again = await ingest.submit(report)
    assert (again.sequence, again.chain) == (first.sequence, first.chain)


async def test_a_check_in_counts_and_its_measures_are_let_go(db, owner, clock, ingest, device):
    ingest.room.full = True
    clock.advance(hours=1)
    checkin = Checkin(
        device.ref,
        device.key.id,
        device.incoming(
            b'{"epoch":"e","sequence":1,"sent_at":"' + rfc3339(clock.now()).encode() + b'"}'
        ).key_digest,
        measures={"cpu_percent": 5.0},
    )
    await ingest.check_in(checkin)
    assert (await counts(db))[0] == 0
    async with db.read() as tx:
        seen = await devices.get(tx, owner, device.id)
    assert seen.presence.last_contact_at == clock.now()
