"""A key that one server revoked is not believed in by another, whatever is cut between them."""

import asyncio
from contextlib import asynccontextmanager

import pytest
import sqlalchemy as sa

from moorage.core import keys, provisioning
from moorage.core.errors import DomainError, Kind
from moorage.dialects.common import Callers
from moorage.storage import EVERYTHING, open_database, relayed
from support.engines import on_postgresql
from support.senders import enrolled

WITHIN_S = 30


@asynccontextmanager
async def server(url, clock, *, hears=True):
    """What a server has of the cache: a database of its own, and an ear for the others."""
    db = open_database(url, clock=clock)
    try:
        if not hears:
            yield db
            return
        async with relayed(db):
            for _ in range(WITHIN_S * 50):
                if db.announcements.hears_others(within_s=1):
                    break
                await asyncio.sleep(0.02)
            yield db
    finally:
        await db.close()


async def refused(callers, text) -> DomainError:
    """The refusal, once there is one."""
    for _ in range(WITHIN_S * 50):
        try:
            await callers.device_of(text)
        except DomainError as error:
            return error
        await asyncio.sleep(0.02)
    raise AssertionError("the key was believed in all the time")


async def revoke(db, owner, device):
    async with db.write() as tx:
        await keys.revoke_for_device(tx, owner, device.id)


@on_postgresql
@pytest.mark.parametrize("hears", [True, False], ids=["heard", "deaf"])
async def test_a_key_revoked_at_one_server_is_refused_at_another(
    db, owner, database_url, clock, hears
):
    device = await enrolled(db, owner)
    async with (
        server(database_url, clock) as here,
        server(database_url, clock, hears=hears) as there,
    ):
        callers = Callers(there)
        assert (await callers.device_of(device.text)).device == device.ref
        await revoke(here, owner, device)
        assert (await refused(callers, device.text)).kind == Kind.UNAUTHENTICATED


@on_postgresql
async def test_a_key_is_refused_also_while_the_listening_connection_is_cut_again_and_again(
    db, owner, database_url, clock
):
    device = await enrolled(db, owner)
    ended = 0

    async def cutting() -> None:
        nonlocal ended
        while True:
            async with db.read() as tx:
                gone = await tx.rows(
                    sa.text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                        "application_name = 'moorage-announcements' "
                        "AND datname = current_database()"
                    )
                )
            ended += len(gone)
            await asyncio.sleep(0.02)

    async with server(database_url, clock) as here, server(database_url, clock) as there:
        callers = Callers(there)
        await callers.device_of(device.text)
        cut = asyncio.create_task(cutting())
        try:
            for _ in range(WITHIN_S * 50):
                if ended:
                    break
                await asyncio.sleep(0.02)
            await revoke(here, owner, device)
            assert (await refused(callers, device.text)).kind == Kind.UNAUTHENTICATED
            assert ended > 0
        finally:
            cut.cancel()
            await asyncio.gather(cut, return_exceptions=True)


@on_postgresql
async def test_a_device_deleted_at_one_server_is_told_so_at_another(db, owner, database_url, clock):
    device = await enrolled(db, owner)
    async with server(database_url, clock) as here, server(database_url, clock) as there:
        callers = Callers(there)
        await callers.device_of(device.text)
        async with here.write() as tx:
            await provisioning.retire(tx, owner, device.id)
        assert (await refused(callers, device.text)).code == "device_retired"


async def test_at_the_same_server_a_revoked_key_is_refused_at_once(db, owner):
    device, other = await enrolled(db, owner), await enrolled(db, owner, "other")
    callers = Callers(db)
    for one in (device, other):
        await callers.device_of(one.text)
    await revoke(db, owner, device)
    with pytest.raises(DomainError):
        await callers.device_of(device.text)
    assert (await callers.device_of(other.text)).device == other.ref


async def test_when_all_may_have_changed_nothing_is_believed(db, owner, engine):
    device = await enrolled(db, owner)
    callers = Callers(db)
    await callers.device_of(device.text)
    async with db.write() as tx:  # behind our back, as an announcement that was lost
        await tx.run(sa.text("UPDATE keys SET revoked_at = 1"))
    db.announcements.publish(EVERYTHING)
    with pytest.raises(DomainError):
        await callers.device_of(device.text)
