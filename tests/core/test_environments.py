"""Environments of devices: asked for once, made once, handed over once, ended for good."""

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa

from moorage.core import environments, events, provisioning
from moorage.core.caller import DeviceRef
from moorage.core.environments import Made, State, rules
from moorage.core.timeline import Window
from moorage.kit.clock import from_ms
from moorage.kit.ids import new_id
from moorage.storage import Vault, open_database
from support.engines import on_sqlite

EDGE_KEY = "aHR0cHM6Ly9wb3J0YWluZXIuZXhhbXBsZXx0dW5uZWw6ODAwMHxhYTpiYnw1"
MADE = Made(5, EDGE_KEY)


@pytest.fixture
async def device(db, owner) -> DeviceRef:
    return await make_device(db, owner)


async def make_device(db, owner, name: str = "camera") -> DeviceRef:
    async with db.write() as tx:
        return (await provisioning.register(tx, owner, name=name)).device.ref


async def written(db, function, *arguments, **named):
    async with db.write() as tx:
        return await function(tx, *arguments, **named)


async def state_of(db, device_id: str) -> State | None:
    async with db.read() as tx:
        found = await environments.find(tx, device_id)
    return found and found.state


async def key_for(db, device: DeviceRef) -> str | None:
    """What a device's check-in would bring it."""
    return (await written(db, environments.hand_over, [device.device_id])).get(device.device_id)


async def events_of(db, owner, device) -> list[events.Event]:
    async with db.read() as tx:
        page = await events.list_events(tx, owner, device, Window(), cursor=None, limit=100)
    return [one for one in page.items if one.event.startswith("environment.")]


def test_the_first_retry_comes_within_fifteen_seconds_even_with_a_look_every_two():
    assert rules.pause(1, 0) + timedelta(seconds=2) < timedelta(seconds=15)


@pytest.mark.parametrize(
    ("tries", "seconds"), [(1, 12), (2, 24), (3, 48), (4, 96), (5, 192), (6, 384), (7, 600)]
)
def test_pauses_double_up_to_ten_minutes_and_are_spread_over_half(tries, seconds):
    assert rules.pause(tries, 0) == timedelta(seconds=seconds)
    assert rules.pause(tries, 1) == timedelta(seconds=seconds / 2)


def test_however_often_it_failed_the_pause_is_never_more_than_ten_minutes():
    assert rules.pause(10**9, 0) == timedelta(minutes=10)


def test_an_environment_is_named_by_our_own_id():
    device_id = new_id("dev_")
    assert environments.name_of(device_id) == f"moorage-{device_id}"


def test_the_key_is_not_in_what_is_printed_of_an_environment():
    assert EDGE_KEY not in repr(MADE)
    shown = environments.Environment(
        "dev_1", "wks_1", True, State.READY, 5, None, EDGE_KEY, None, 0
    )
    assert EDGE_KEY not in repr(shown)


async def test_what_is_wanted_is_pending_then_ready_and_says_so(db, owner, device):
    await written(db, environments.want, device)
    assert await state_of(db, device.device_id) is State.PENDING
    assert await written(db, environments.record_made, device.device_id, MADE)
    async with db.read() as tx:
        found = await environments.find(tx, device.device_id)
        many = await environments.find_many(tx, [device.device_id, "dev_other"])
    assert (found.state, found.endpoint_id, found.edge_key) == (State.READY, 5, EDGE_KEY)
    assert found.error is None
    assert {one: shown.state for one, shown in many.items()} == {device.device_id: State.READY}
    said = await events_of(db, owner, device)
    assert [one.event for one in said] == ["environment.ready"]
    assert said[0].metadata == {"endpoint_id": 5}


@on_sqlite
async def test_wanting_it_twice_is_wanting_it_once(db, device):
    await written(db, environments.want, device)
    await written(db, environments.want, device)
    await written(db, environments.record_made, device.device_id, MADE)
    await written(db, environments.want, device)
    assert await state_of(db, device.device_id) is State.READY


async def test_the_key_is_handed_over_exactly_once_however_many_ask(db, device):
    await written(db, environments.want, device)
    assert await key_for(db, device) is None
    await written(db, environments.record_made, device.device_id, MADE)
    answers = await asyncio.gather(*(key_for(db, device) for _ in range(8)))
    assert sorted(answers, key=str) == [None] * 7 + [EDGE_KEY]


@on_sqlite
async def test_a_key_noted_as_given_in_the_answer_is_not_handed_over_again(db, device):
    await written(db, environments.want, device)
    await written(db, environments.record_made, device.device_id, MADE)
    assert await written(db, environments.note_handed_over, device.device_id)
    assert not await written(db, environments.note_handed_over, device.device_id)
    assert await key_for(db, device) is None


@on_sqlite
async def test_failures_are_told_once_and_put_off_the_next_call_by_the_rule(
    db, owner, device, clock
):
    await written(db, environments.want, device)
    for tries in range(1, 12):
        began = clock.now()
        await written(
            db, environments.record_failure, device.device_id, "it is down", refused=False
        )
        at = await next_at(db, device.device_id)
        assert began + rules.pause(tries, 1) <= at <= began + rules.pause(tries, 0)
        assert not await written(db, environments.claim_due, 10)
        clock.at = at
        claimed = await written(db, environments.claim_due, 10)
        assert [one.device_id for one in claimed] == [device.device_id]
    said = await events_of(db, owner, device)
    assert [(one.event, one.error_code) for one in said] == [
        ("environment.failed", "environment_unavailable")
    ]
    async with db.read() as tx:
        assert (await environments.find(tx, device.device_id)).error == "it is down"


async def next_at(db, device_id: str):
    async with db.read() as tx:
        row = await tx.row(
            sa.text(f"SELECT next_at FROM environments WHERE device_id='{device_id}'")
        )
    return row.next_at and from_ms(row.next_at)


@on_sqlite
async def test_what_was_refused_is_not_tried_again_before_the_next_start(db, owner, device, clock):
    await written(db, environments.want, device)
    await written(db, environments.record_failure, device.device_id, "bad key", refused=True)
    assert await state_of(db, device.device_id) is State.REFUSED
    clock.advance(days=30)
    assert not await written(db, environments.claim_due, 10)
    assert await written(db, environments.retry_refused) == 1
    assert [one.device_id for one in await written(db, environments.claim_due, 10)] == [
        device.device_id
    ]
    assert [one.error_code for one in await events_of(db, owner, device)] == ["environment_refused"]


async def test_of_two_servers_one_has_each_turn(db, owner, clock, database_url):
    refs = [await make_device(db, owner, f"camera {at}") for at in range(6)]
    for ref in refs:
        await written(db, environments.want, ref)
    clock.advance(seconds=5)
    other = open_database(database_url, clock=clock)
    claimed: list[str] = []
    for _ in range(6):  # who is late for a turn finds the next one when it looks again
        tries = [written(one, environments.claim_due, 2) for one in (db, other) * 2]
        claimed += [one.device_id for found in await asyncio.gather(*tries) for one in found]
    assert sorted(claimed) == sorted(ref.device_id for ref in refs)
    clock.at += environments.LEASE - timedelta(milliseconds=1)
    assert not await written(other, environments.claim_due, 10)
    clock.advance(milliseconds=1)
    again = await written(other, environments.claim_due, 10)
    assert len(again) == 6, "a server that died in the middle delays it, no more"
    await other.close()


@on_sqlite
async def test_whoever_asked_has_a_head_start_on_the_job(db, device, clock):
    await written(db, environments.want, device)
    assert not await written(db, environments.claim_due, 10)
    assert (await written(db, environments.claim, device.device_id)).state is State.PENDING
    clock.advance(seconds=30)
    assert not await written(db, environments.claim_due, 10)
    assert await written(db, environments.claim, device.device_id) is None, "one at a time"


@on_sqlite
async def test_a_job_that_has_the_turn_keeps_it(db, device, clock):
    await written(db, environments.want, device)
    clock.advance(seconds=5)
    assert len(await written(db, environments.claim_due, 10)) == 1
    assert await written(db, environments.claim, device.device_id) is None
    await written(db, environments.record_failure, device.device_id, "down", refused=False)
    assert await written(db, environments.claim, device.device_id) is None


async def test_a_reservation_nobody_used_ends_after_five_minutes(db, owner, clock):
    device_id = new_id("dev_")
    ours = {"workspace_id": owner.workspace_id, "live": True}
    await written(db, environments.reserve, device_id, **ours)
    clock.advance(minutes=4, seconds=59)
    assert not await written(db, environments.claim_due, 10)
    assert await state_of(db, device_id) is State.RESERVED
    clock.advance(seconds=1)
    claimed = await written(db, environments.claim_due, 10)
    assert [(one.device_id, one.state) for one in claimed] == [(device_id, State.ENDING)]
    assert not await written(db, environments.record_made, device_id, MADE)
    assert await state_of(db, device_id) is State.ENDING


@on_sqlite
async def test_a_reservation_is_ready_with_its_device_or_abandoned(db, owner, device, clock):
    ours = {"workspace_id": owner.workspace_id, "live": True}
    await written(db, environments.reserve, device.device_id, **ours)
    assert await written(db, environments.record_made, device.device_id, MADE)
    clock.advance(minutes=6)
    assert not await written(db, environments.claim_due, 10)
    other = new_id("dev_")
    await written(db, environments.reserve, other, **ours)
    await written(db, environments.abandon, other)
    assert await state_of(db, other) is State.ENDING


async def test_a_retired_device_leaves_its_environment_to_be_removed(db, owner, device):
    await written(db, environments.want, device)
    await written(db, environments.record_made, device.device_id, MADE)
    await written(db, provisioning.retire, owner, device.device_id)
    claimed = await written(db, environments.claim_due, 10)
    assert [(one.state, one.endpoint_id) for one in claimed] == [(State.ENDING, 5)]
    await written(db, environments.removed, device.device_id)
    assert await state_of(db, device.device_id) is None


@on_sqlite
async def test_nothing_brings_an_ending_environment_back(db, owner, device):
    await written(db, environments.want, device)
    await written(db, provisioning.retire, owner, device.device_id)
    await written(db, environments.want, device)
    assert await written(db, environments.claim, device.device_id) is None
    assert not await written(db, environments.record_made, device.device_id, MADE)
    assert await key_for(db, device) is None
    claimed = await written(db, environments.claim_due, 10)
    assert [(one.state, one.endpoint_id) for one in claimed] == [(State.ENDING, 5)], (
        "what a late call made is removed at once"
    )


@on_sqlite
async def test_a_device_without_an_environment_leaves_nothing_behind(db, owner, device):
    await written(db, provisioning.retire, owner, device.device_id)
    assert await state_of(db, device.device_id) is None
    assert not await written(db, environments.record_made, device.device_id, MADE)


@on_sqlite
async def test_hardware_that_was_wiped_gets_a_fresh_one_with_its_key_once(db, device, clock):
    await written(db, environments.want, device)
    await written(db, environments.record_made, device.device_id, MADE)
    assert await key_for(db, device) == EDGE_KEY
    await written(db, environments.renew, device)
    found = await written(db, environments.claim, device.device_id)
    assert (found.state, found.endpoint_id, found.edge_key) == (State.PENDING, 5, None)
    await written(db, environments.record_made, device.device_id, Made(6, "second"))
    assert await key_for(db, device) == "second"


async def test_the_key_is_sealed_at_rest(db, owner, device):
    db.vault = Vault(b"k" * 32)
    await written(db, environments.want, device)
    await written(db, environments.record_made, device.device_id, MADE)
    await key_for(db, device)
    for table in ("environments", "events", "audit_entries"):
        async with db.read() as tx:
            rows = await tx.rows(sa.text(f"SELECT * FROM {table}"))
        assert rows
        assert EDGE_KEY not in str(rows), table
