"""Presence: one rule, said twice: for one device in Python, for lists and totals in SQL."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from moorage.core import devices
from moorage.core.devices.rules import presence_at
from moorage.storage import alive, metadata
from moorage.storage.alive import Absence

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
MS = timedelta(milliseconds=1)


def after(silent_s: float, interval_s: int = 30, absences=()) -> str:
    last = NOW - timedelta(seconds=silent_s)
    return presence_at(NOW, last, interval_s, absences).status.value


# docs/decisions/0007-presence.md: late after the interval and half of it, at least 15 s more;
# offline after three intervals, at least 90 s.
@pytest.mark.parametrize(
    ("interval_s", "late_after_s", "offline_after_s"),
    [(5, 20, 90), (10, 25, 90), (30, 45, 90), (60, 90, 180), (3600, 5400, 10_800)],
)
def test_a_device_is_late_then_offline_by_the_interval_it_was_given(
    interval_s, late_after_s, offline_after_s
):
    assert after(0, interval_s) == "online"
    assert after(late_after_s, interval_s) == "online"
    assert after(late_after_s + 0.001, interval_s) == "late"
    assert after(offline_after_s, interval_s) == "late"
    assert after(offline_after_s + 0.001, interval_s) == "offline"


def test_a_device_is_offline_after_five_silent_minutes_and_says_why():
    told = presence_at(NOW, NOW - timedelta(minutes=5), 30, [])
    assert told.status == "offline"
    assert told.reason == "reported 5 min ago; it is to report every 30 s"
    assert told.last_contact_at == NOW - timedelta(minutes=5)
    assert told.next_expected_at == NOW - timedelta(minutes=4, seconds=30)


def test_a_device_that_never_reported_is_neither_late_nor_offline():
    told = presence_at(NOW, None, 30, [Absence(NOW - timedelta(days=1), NOW)])
    assert (told.status, told.last_contact_at, told.next_expected_at) == ("never_seen", None, None)


def test_the_servers_own_absence_is_no_silence_of_the_device():
    away = Absence(NOW - timedelta(hours=10), NOW - timedelta(seconds=40))
    assert after(10 * 3600 + 4, absences=[away]) == "online"  # 44 s of silence that was heard
    assert after(10 * 3600 + 6, absences=[away]) == "late"
    told = presence_at(NOW, NOW - timedelta(hours=10, seconds=4), 30, [away])
    assert told.next_expected_at == NOW - timedelta(seconds=14)
    assert "the server itself was away" in told.reason


def test_only_the_part_of_an_absence_since_the_last_report_counts():
    away = Absence(NOW - timedelta(seconds=300), NOW - timedelta(seconds=100))
    assert after(150, absences=[away]) == "offline"  # 50 s of it were ours: 100 s of silence
    assert after(90, absences=[away]) == "late"


INTERVALS = [5, 7, 29, 30, 31, 60, 61, 3600, 86_400]
# Silences at the edges of what the rule tells apart, each with its interval.
EDGES = [
    (round(edge * 1000) + off, interval)
    for interval in INTERVALS
    for edge in (interval + max(interval / 2, 15), max(3 * interval, 90))
    for off in (-1, 0, 1)
]
# Last heard just before, at and after the ends of an absence, and within it.
AWAY = [300_000, 100_000]
AROUND = [(end + off, 30) for end in AWAY for off in (-1, 0, 1, 44_999, 45_000, 45_001, -90_001)]
silences_ms = st.none() | st.integers(-60_000, 400_000) | st.integers(-60_000, 400_000_000)
device = st.sampled_from(EDGES) | st.tuples(silences_ms, st.sampled_from(INTERVALS))
fleets = st.lists(device, min_size=1, max_size=12)
spans_ms = st.lists(st.integers(0, 400_000) | st.integers(0, 100_000_000), max_size=6, unique=True)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@example(fleet=EDGES, spans=[], mark_ms=0)
@example(fleet=AROUND, spans=AWAY, mark_ms=0)
@given(fleet=fleets, spans=spans_ms, mark_ms=st.sampled_from([0, 15_000, 15_001, 90_000]))
async def test_lists_and_totals_in_sql_say_what_the_rule_says(
    db, owner, clock, fleet, spans, mark_ms
):
    ids = await _prepared(db, owner, clock, fleet, spans, mark_ms)
    async with db.read() as tx:
        away = await alive.absences(tx)
        expected = {
            device_id: presence_at(
                clock.now(), None if silent is None else clock.now() - silent * MS, interval, away
            ).status
            for device_id, (silent, interval) in zip(ids, fleet, strict=True)
        }
        found = {one: s for one, s in (await devices.statuses(tx, owner)).items() if one in ids}
        assert found == expected
        totals = await devices.counts(tx, owner, devices.Filter(type="counted"))
        for status in devices.Status:
            wanted = devices.Filter(statuses=frozenset({status}), type="counted")
            page = await devices.list_devices(tx, owner, wanted)
            assert {one.id for one in page.items} == {i for i, s in expected.items() if s == status}
            assert {one.presence.status for one in page.items} <= {status}
            assert totals[status] == len(page.items)
        board = Counter((await devices.statuses(tx, owner)).values())
        assert await devices.counts(tx, owner, devices.Filter()) == {
            status: board[status] for status in devices.Status
        }


async def _prepared(db, owner, clock, fleet, spans, mark_ms) -> list[str]:
    """Bring the one fleet of this test to the state of an example."""
    presence, absences = metadata.tables["device_presence"], metadata.tables["absences"]
    marks, records = metadata.tables["alive_marks"], metadata.tables["devices"]
    ends = sorted(clock.now() - span * MS for span in spans)
    async with db.write() as tx:
        there = await tx.rows(sa.select(records.c.id).order_by(records.c.id))
        ids = [row.id for row in there]
        while len(ids) < len(fleet):
            made = await devices.create(tx, owner, name=f"camera {len(ids)}")
            ids.append(made.id)
        await tx.run(sa.update(records).values(type="other"))
        for device_id, (silent, interval) in zip(ids, fleet, strict=False):
            last = None if silent is None else clock.now() - silent * MS
            known = sa.update(presence).where(presence.c.device_id == device_id)
            await tx.run(known.values(last_heartbeat_at=last, interval_s=interval))
            counted = sa.update(records).where(records.c.id == device_id)
            await tx.run(counted.values(type="counted"))
        await tx.run(sa.delete(absences))
        await tx.run(sa.delete(marks))
        await tx.run(sa.insert(marks), {"name": "fleet", "at": clock.now() - mark_ms * MS})
        for began, ended in zip(ends[::2], ends[1::2], strict=False):
            await tx.run(sa.insert(absences), {"began_at": began, "ended_at": ended})
    return ids[: len(fleet)]
