"""Environments brought up and removed, whatever becomes of the calls and of whoever makes them."""

import asyncio
from datetime import timedelta

import pytest

from moorage.core import environments, provisioning
from moorage.core.caller import DeviceRef
from moorage.core.environments import State, name_of
from moorage.kit.ids import new_id
from moorage.outbound import ManagedEnvironments, Portainer, PortainerProxy, bring_up
from moorage.outbound import environments as loop_of
from moorage.storage import StorageBusy, open_database
from outbound.conftest import setup_for
from support.engines import on_sqlite
from support.portainer import Fault


def managed(db, fake, kind=ManagedEnvironments, **setup) -> ManagedEnvironments:
    wanted = setup_for(fake, **setup)
    return kind(
        db, Portainer(wanted), PortainerProxy(wanted), required=False, closing=asyncio.Event()
    )


@pytest.fixture
async def worker(db, fake):
    found = managed(db, fake)
    yield found
    await found.stop()


@pytest.fixture
async def device(db, owner) -> DeviceRef:
    return await make_device(db, owner)


async def make_device(db, owner, name: str = "camera") -> DeviceRef:
    async with db.write() as tx:
        ref = (await provisioning.register(tx, owner, name=name)).device.ref
        await environments.want(tx, ref)
    return ref


async def retire(db, owner, device: DeviceRef) -> None:
    async with db.write() as tx:
        await provisioning.retire(tx, owner, device.device_id)


async def found(db, device_id: str):
    async with db.read() as tx:
        return await environments.find(tx, device_id)


async def key_for(db, device: DeviceRef) -> str | None:
    async with db.write() as tx:
        return (await environments.hand_over(tx, [device.device_id])).get(device.device_id)


async def drain(worker, clock, *, steps: int = 50) -> None:
    """Let the job do all there is to do, as time goes by."""
    for _ in range(steps):
        if not await worker.step():
            clock.advance(minutes=10)


async def until(true, *, tries: int = 500) -> None:
    for _ in range(tries):
        if await true():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never came true")


async def test_a_route_that_asked_has_the_key_at_once_and_only_it(db, fake, worker, device):
    made = await worker.bring_up(device.device_id)
    assert made.state is State.READY
    row = fake.rows[made.endpoint_id]
    assert (row["Name"], row["EdgeKey"]) == (name_of(device.device_id), made.edge_key)
    assert await key_for(db, device) is None
    assert await worker.step() == 0


async def test_without_portainer_it_is_pending_and_completed_within_fifteen_seconds(
    db, fake, worker, device, clock
):
    await fake.down()
    pending = await worker.bring_up(device.device_id)
    assert pending.state is State.PENDING
    assert "cannot be reached" in pending.error
    assert pending.edge_key is None
    await fake.up()
    began = clock.now()
    while not await worker.step():
        clock.advance(seconds=2)
        assert clock.now() - began < timedelta(seconds=15)
    ready = await found(db, device.device_id)
    assert (ready.state, ready.error, ready.handed_over_at) == (State.READY, None, None)
    assert await key_for(db, device) == fake.keys[0]
    assert await key_for(db, device) is None


async def test_a_route_that_died_before_it_called_is_stood_in_for(db, fake, worker, device, clock):
    assert await worker.step() == 0
    clock.advance(seconds=5)
    assert await worker.step() == 1
    assert await key_for(db, device) == fake.keys[0]


async def test_a_server_that_died_after_its_call_leaves_one_environment(
    db, fake, worker, device, clock
):
    async with db.write() as tx:
        await environments.claim(tx, device.device_id)
    await worker.make(device.device_id)
    clock.advance(seconds=119)
    assert await worker.step() == 0
    clock.advance(seconds=1)
    assert await worker.step() == 1
    assert await key_for(db, device) == fake.keys[0]
    assert len(fake.rows) == 1


@on_sqlite
async def test_what_portainer_refused_is_asked_again_by_the_next_server(db, fake, worker, device):
    await worker.step()
    fake.fault = Fault.UNAUTHORIZED
    assert (await worker.bring_up(device.device_id)).state is State.REFUSED
    fake.fault = None
    assert await worker.step() == 0
    restarted = managed(db, fake)
    assert await restarted.step() == 1
    await restarted.stop()
    assert (await found(db, device.device_id)).state is State.READY


@on_sqlite
async def test_a_refusal_is_not_repeated_however_long_a_server_runs(
    db, fake, worker, device, clock
):
    fake.fault = Fault.FORBIDDEN
    await worker.step()
    await worker.bring_up(device.device_id)
    await drain(worker, clock, steps=20)
    assert len(fake.seen) == 1
    assert (await found(db, device.device_id)).state is State.REFUSED


async def test_a_deleted_device_is_gone_from_portainer_when_that_is_back(
    db, fake, worker, owner, device, clock
):
    await worker.bring_up(device.device_id)
    await fake.down()
    await retire(db, owner, device)
    for _ in range(5):
        await worker.step()
        clock.advance(minutes=10)
    assert (await found(db, device.device_id)).state is State.ENDING
    await fake.up()
    await drain(worker, clock, steps=5)
    assert await found(db, device.device_id) is None
    assert fake.rows == {}


@on_sqlite
async def test_what_was_removed_in_portainer_by_hand_counts_as_removed(
    db, fake, worker, owner, device, clock
):
    await worker.bring_up(device.device_id)
    fake.rows.clear()
    await retire(db, owner, device)
    await drain(worker, clock, steps=3)
    assert await found(db, device.device_id) is None


async def test_a_device_deleted_while_its_environment_is_made_leaves_none(
    db, fake, worker, owner, device, clock
):
    fake.faults.append(Fault.SLOW_DONE)
    making = asyncio.create_task(worker.bring_up(device.device_id))

    async def under_way() -> bool:
        return bool(fake.created)

    await until(under_way)
    await retire(db, owner, device)
    fake.go_on()
    assert await making is None
    assert len(fake.rows) == 1
    await drain(worker, clock, steps=5)
    assert fake.rows == {}
    assert await found(db, device.device_id) is None


@on_sqlite
async def test_an_environment_made_for_nobody_any_more_is_removed_at_once(
    db, fake, worker, owner, device, clock
):
    """The row went before the call came back: only whoever made it knows of it."""
    fake.faults.append(Fault.SLOW_DONE)
    making = asyncio.create_task(worker.bring_up(device.device_id))

    async def under_way() -> bool:
        return bool(fake.created)

    await until(under_way)
    await retire(db, owner, device)
    async with db.write() as tx:
        await environments.removed(tx, device.device_id)
    fake.go_on()
    assert await making is None
    assert fake.rows == {}


async def test_what_was_made_for_a_device_that_never_came_is_removed(
    db, fake, worker, owner, clock
):
    device_id = new_id("dev_")
    async with db.write() as tx:
        await environments.reserve(tx, device_id, workspace_id=owner.workspace_id, live=True)
    await worker.make(device_id)
    assert [row["Name"] for row in fake.rows.values()] == [name_of(device_id)]
    clock.advance(minutes=4, seconds=59)
    assert await worker.step() == 0
    clock.advance(seconds=1)
    await drain(worker, clock, steps=3)
    assert fake.rows == {}
    assert await found(db, device_id) is None


@on_sqlite
async def test_wiped_hardware_gets_another_environment_and_the_first_one_goes(
    db, fake, worker, device
):
    first = await worker.bring_up(device.device_id)
    fake.rows[first.endpoint_id]["EdgeID"] = "an agent joined it"
    async with db.write() as tx:
        await environments.renew(tx, device)
    second = await worker.bring_up(device.device_id)
    assert second.endpoint_id != first.endpoint_id
    assert second.edge_key != first.edge_key
    assert list(fake.rows) == [second.endpoint_id]


async def test_of_two_servers_each_environment_is_made_by_one(db, fake, owner, clock, database_url):
    refs = [await make_device(db, owner, f"camera {at}") for at in range(12)]
    clock.advance(seconds=5)
    other = open_database(database_url, clock=clock)
    other.vault = db.vault
    workers = [managed(one, fake) for one in (db, other)]
    for _ in range(10):
        await asyncio.gather(*(one.step() for one in workers))
    for one in workers:
        await one.stop()
    await other.close()
    assert len(fake.created) == len(fake.rows) == 12
    for ref in refs:
        assert (await found(db, ref.device_id)).state is State.READY


@on_sqlite
async def test_while_portainer_is_away_one_call_at_a_time_asks_after_it(
    db, fake, worker, owner, clock
):
    refs = [await make_device(db, owner, f"camera {at}") for at in range(20)]
    clock.advance(seconds=5)
    fake.fault = Fault.ERROR
    counts = []
    for _ in range(4):
        before = len(fake.created)
        await worker.step()
        counts.append(len(fake.created) - before)
    assert counts == [8, 1, 1, 1]
    fake.fault = None
    await drain(worker, clock)
    for ref in refs:
        assert (await found(db, ref.device_id)).state is State.READY


@on_sqlite
async def test_a_key_that_is_stored_and_no_longer_wanted_is_asked_for_no_more(db, fake, worker):
    assert await worker.bring_up(new_id("dev_")) is None
    assert fake.seen == []


@on_sqlite
async def test_the_loop_removes_as_soon_as_it_is_told(db, fake, worker, owner, device, monkeypatch):
    monkeypatch.setattr(loop_of, "_LOOK_EVERY_S", 3600)
    await worker.bring_up(device.device_id)
    worker.start()

    async def looked() -> bool:
        return worker._woken_refused

    await until(looked)
    await retire(db, owner, device)

    async def gone() -> bool:
        return not fake.rows and await found(db, device.device_id) is None

    await until(gone)


@on_sqlite
async def test_a_step_that_failed_does_not_end_the_loop(db, fake, device, clock, monkeypatch):
    monkeypatch.setattr(loop_of, "_LOOK_EVERY_S", 0.01)
    clock.advance(seconds=5)

    class Stumbling(ManagedEnvironments):
        faults = [StorageBusy("locked"), ZeroDivisionError()]  # noqa: RUF012 - one use

        async def step(self) -> int:
            if self.faults:
                raise self.faults.pop()
            return await super().step()

    worker = managed(db, fake, Stumbling)
    worker.start()

    async def made() -> bool:
        return bool(fake.rows)

    await until(made)
    await worker.stop()


@on_sqlite
async def test_stopping_does_not_wait_for_a_call_that_hangs_and_loses_nothing(
    db, fake, device, clock, monkeypatch
):
    monkeypatch.setattr(loop_of, "_STOP_WITHIN_S", 0.1)
    clock.advance(seconds=5)
    fake.faults.append(Fault.SLOW_DONE)
    first = managed(db, fake, timeout_s=30)
    first.start()

    async def under_way() -> bool:
        return bool(fake.created)

    await until(under_way)
    await asyncio.wait_for(first.stop(), 5)
    assert all(task.done() for task in first._tasks)
    fake.go_on()
    clock.advance(minutes=2)
    second = managed(db, fake)
    await second.step()
    await second.stop()
    assert await key_for(db, device) == fake.keys[0]
    assert len(fake.rows) == 1


@on_sqlite
async def test_how_portainer_is_is_looked_at_in_the_background(db, fake, worker, monkeypatch):
    monkeypatch.setattr(loop_of, "_HEALTH_EVERY_S", 0.01)
    fake.fault = Fault.UNAUTHORIZED
    worker.start()

    async def warned() -> bool:
        return "MOORAGE_PORTAINER__API_KEY" in (worker.warning or "")

    async def well() -> bool:
        return worker.warning is None

    await until(warned)
    fake.fault = None
    await until(well)


@on_sqlite
async def test_a_call_is_made_with_no_transaction_open(db, fake, worker, device):
    """Someone else may write while Portainer takes its time."""
    fake.faults.append(Fault.SLOW)
    making = asyncio.create_task(bring_up(db, worker._manager, device.device_id))

    async def under_way() -> bool:
        return bool(fake.created)

    await until(under_way)
    async with asyncio.timeout(5):
        async with db.write() as tx:
            assert (await environments.find(tx, device.device_id)).state is State.PENDING
    fake.go_on()
    assert (await making).state is State.READY
