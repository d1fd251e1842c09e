"""Two clocks: what time a row gets, and what is too old or too new to keep."""

from datetime import timedelta

import pytest

from moorage.ingest import Retention
from support.devices import rfc3339
from support.engines import on_sqlite
from support.senders import column, line

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MS = timedelta(milliseconds=1)


def ms(at) -> int:
    return round(at.timestamp() * 1000)


async def send(ingest, device, clock, skew=None, **parts):
    skew_ms = None if skew is None else skew // MS
    report = device.next(clock.now(), skew_ms, **parts)
    answer = await ingest.submit(report)
    device.acknowledged(report)
    return answer


async def times(db, table: str = "telemetry_samples") -> list[tuple]:
    at, told, received = [
        await column(db, f"SELECT {name} FROM {table} ORDER BY at")
        for name in ("at", "device_at", "received_at")
    ]
    return list(zip(at, told, received, strict=True))


@on_sqlite
@pytest.mark.parametrize("skew_ms", [None, 0, 2_000, -2_000])
async def test_a_clock_off_by_no_more_than_two_seconds_is_believed(
    db, ingest, device, clock, skew_ms
):
    skew = None if skew_ms is None else skew_ms * MS
    await send(ingest, device, clock, skew, telemetry=[{"at": rfc3339(clock.now() - MINUTE)}])
    assert await times(db) == [(ms(clock.now() - MINUTE), None, ms(clock.now()))]


@on_sqlite
@pytest.mark.parametrize("skew", [2_001 * MS, 40 * DAY, -56 * 365 * DAY])
async def test_a_clock_that_is_off_is_corrected_and_what_it_said_kept_beside(
    db, ingest, device, clock, skew
):
    """From a watch that runs fast to a board that boots in 1970."""
    told = clock.now() - MINUTE + skew
    answer = await send(ingest, device, clock, skew, telemetry=[{"at": rfc3339(told)}])
    assert answer.notes == []
    assert await times(db) == [(ms(clock.now() - MINUTE), ms(told), ms(clock.now()))]
    assert await column(db, "SELECT skew_ms FROM device_presence") == [skew // MS]


# What of a device's rows is kept by default: docs/reference/settings.md.
KEPT = [("telemetry", 14 * DAY), ("logs", 7 * DAY), ("events", 90 * DAY)]


def part(name: str, at, number: int) -> dict:
    if name == "telemetry":
        return {"at": rfc3339(at), "cpu_percent": number}
    if name == "logs":
        return line(at, f"line {number}")
    return {"id": f"e{number}", "at": rfc3339(at), "event": "made.up"}


@on_sqlite
@pytest.mark.parametrize(("name", "kept"), KEPT)
@pytest.mark.parametrize("skew", [None, -3 * HOUR])
async def test_what_is_too_old_or_too_new_is_kept_out_counted_and_said(
    db, ingest, device, clock, name, kept, skew
):
    now = clock.now() + (skew or timedelta())
    ages = [kept + MS, kept, MINUTE, -5 * MINUTE, -5 * MINUTE - MS, -10 * DAY]
    parts = [part(name, now - age, number) for number, age in enumerate(ages)]
    answer = await send(ingest, device, clock, skew, **{name: parts})
    assert len(answer.notes) == 1
    assert answer.notes[0].startswith(f"3 of {name} kept out")
    table = {"telemetry": "telemetry_samples", "logs": "log_lines", "events": "events"}[name]
    own = "WHERE event = 'made.up'" if name == "events" else ""
    at = await column(db, f"SELECT at FROM {table} {own} ORDER BY at")
    assert at == [ms(clock.now() - age) for age in (kept, MINUTE, -5 * MINUTE)]


@on_sqlite
async def test_each_kind_that_lost_something_has_a_note_of_its_own(db, ingest, device, clock):
    old = clock.now() - 100 * DAY
    answer = await send(
        ingest,
        device,
        clock,
        telemetry=[{"at": rfc3339(old)}] * 2,
        logs=[line(old), line(clock.now())],
        events=[part("events", old, 1)],
    )
    assert sorted(note.split(" kept")[0] for note in answer.notes) == [
        "1 of events",
        "1 of logs",
        "2 of telemetry",
    ]


@on_sqlite
async def test_a_repeat_stores_nothing_even_of_what_has_come_into_the_window(
    db, ingest, device, clock
):
    report = device.next(clock.now(), telemetry=[{"at": rfc3339(clock.now() + HOUR)}])
    assert (await ingest.submit(report)).notes
    clock.advance(hours=1)
    await ingest.submit(report)
    assert await times(db) == []


async def test_times_at_the_ends_of_the_calendar_are_kept_out_and_break_nothing(
    db, ingest, device, clock
):
    ends = ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-23:59"]
    for skew in (None, DAY, -DAY):
        answer = await send(
            ingest,
            device,
            clock,
            skew,
            telemetry=[{"at": at} for at in ends],
            events=[part("events", clock.now(), 1) | {"ended_at": at} for at in ends],
            streams=[{"id": "s", "started_at": at} for at in ends],
        )
        assert [note.split(" kept")[0] for note in answer.notes[:1]] == ["3 of telemetry"]
    assert await times(db) == []


def test_the_retention_is_what_the_guide_says():
    kept = Retention()
    assert {"telemetry": kept.telemetry, "logs": kept.logs, "events": kept.events} == dict(KEPT)


FACTS = {"hostname": "cam-1", "agent_version": "1.0"}


async def test_backfill_adds_history_and_changes_nothing_present(db, ingest, device, clock):
    await send(
        ingest,
        device,
        clock,
        facts=FACTS,
        boot_id="now",
        config={"revision": 1, "state": "applied"},
        streams=[{"id": "s", "status": "running"}],
        services=[{"name": "a", "state": "running"}],
    )
    before = clock.now()
    clock.advance(minutes=5)
    device.new_epoch()
    await send(
        ingest,
        device,
        clock,
        backfill=True,
        facts={"hostname": "old"},
        boot_id="then",
        config={"revision": 1, "state": "failed"},
        streams=[],
        services=[],
        telemetry=[{"at": rfc3339(clock.now() - HOUR)}],
    )
    assert len(await times(db)) == 1
    presence = "FROM device_presence"
    assert await column(db, f"SELECT last_heartbeat_at {presence}") == [ms(before)]
    assert await column(db, f"SELECT last_seen_at {presence}") == [ms(clock.now())]
    assert await column(db, f"SELECT boot_id {presence}") == ["now"]
    assert await column(db, "SELECT hostname FROM devices") == ["cam-1"]
    assert await column(db, "SELECT reported_state FROM config_states") == ["applied"]
    assert await column(db, "SELECT stream_id FROM stream_states") == ["s"]
    assert await column(db, "SELECT name FROM service_states") == ["a"]


async def test_what_a_report_does_not_mention_stays(db, ingest, device, clock):
    await send(
        ingest,
        device,
        clock,
        facts=FACTS,
        boot_id="b",
        uptime_s=5,
        streams=[{"id": "s"}],
        services=[{"name": "a"}],
    )
    await send(ingest, device, clock, facts={"hostname": "cam-2"})
    await send(ingest, device, clock)
    assert await column(db, "SELECT boot_id FROM device_presence") == ["b"]
    assert await column(db, "SELECT uptime_s FROM device_presence") == [5]
    assert await column(db, "SELECT stream_id FROM stream_states") == ["s"]
    assert await column(db, "SELECT name FROM service_states") == ["a"]
    facts = await column(db, "SELECT facts FROM devices")
    assert '"hostname":"cam-2"' in facts[0]
    assert '"agent_version":"1.0"' in facts[0]
    await send(ingest, device, clock, streams=[], services=[])  # said to be empty: it is
    assert await column(db, "SELECT stream_id FROM stream_states") == []
    assert await column(db, "SELECT name FROM service_states") == []
