"""Tokens and enrolment: one token, one key, however many try at once."""

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa

from conftest import make_owner
from moorage.core import config, devices, keys, provisioning
from moorage.core.errors import DomainError
from moorage.kit.ids import new_key_text
from support.engines import on_postgresql, on_sqlite
from support.senders import column


async def register(db, owner, **fields):
    async with db.write() as tx:
        return await provisioning.register(tx, owner, name="camera", **fields)


async def enroll(db, token: str, key: str | None):
    async with db.write() as tx:
        return await provisioning.enroll(tx, token=token, device_key=key, told={})


async def code_of(coroutine) -> str:
    try:
        await coroutine
    except DomainError as refusal:
        return refusal.code
    return "ok"


async def opens(db, key: str) -> str:
    async with db.read() as tx:
        return await code_of(keys.authenticate(tx, key))


def new_key() -> str:
    return new_key_text("adk")


STANDING = "SELECT id FROM keys WHERE device_id IS NOT NULL AND revoked_at IS NULL"


@on_sqlite
async def test_a_device_is_made_whole_or_not_at_all(db, owner):
    with pytest.raises(DomainError):
        await register(db, owner, expires_in=timedelta(seconds=59))  # refused last of all
    for table in ("devices", "device_presence", "config_revisions", "install_tokens", "events"):
        assert await column(db, f"SELECT * FROM {table}") == [], table
    assert await column(db, "SELECT id FROM audit_entries WHERE action LIKE 'device.%'") == []
    made = await register(db, owner)
    async with db.read() as tx:
        assert (await config.get(tx, owner, made.device.ref)).revision == 1


async def test_of_fifty_that_redeem_one_token_with_keys_of_their_own_one_enrols(db, owner):
    made = await register(db, owner)
    proposed = [new_key() for _ in range(50)]
    codes = await asyncio.gather(
        *(code_of(enroll(db, made.install_token.text, key)) for key in proposed)
    )
    assert sorted(codes) == ["ok"] + ["token_invalid"] * 49
    winner = proposed[codes.index("ok")]
    assert await opens(db, winner) == "ok"
    assert await opens(db, proposed[codes.index("token_invalid")]) == "key_invalid"
    assert len(await column(db, STANDING)) == 1
    assert len(await column(db, "SELECT id FROM keys WHERE device_id IS NOT NULL")) == 1


async def test_fifty_repeats_of_one_enrolment_are_answered_alike(db, owner):
    made = await register(db, owner)
    key = new_key()
    answers = await asyncio.gather(*(enroll(db, made.install_token.text, key) for _ in range(50)))
    assert answers == [answers[0]] * 50
    assert answers[0].device_id == made.device.id
    assert answers[0].device_key is None, "a proposed key is never told back"
    assert len(await column(db, "SELECT id FROM keys WHERE device_id IS NOT NULL")) == 1
    enrolled = "SELECT id FROM events WHERE event = 'device.enrolled'"
    assert len(await column(db, enrolled)) == 1


async def test_of_fifty_that_propose_no_key_one_is_given_one(db, owner):
    made = await register(db, owner)
    ended = await asyncio.gather(
        *(enroll(db, made.install_token.text, None) for _ in range(50)), return_exceptions=True
    )
    given = [end.device_key for end in ended if not isinstance(end, DomainError)]
    assert len(given) == 1
    assert await opens(db, given[0]) == "ok"


async def test_one_key_proposed_with_two_tokens_at_once_belongs_to_one_device(db, owner):
    made = [await register(db, owner) for _ in range(2)]
    key = new_key()
    codes = await asyncio.gather(
        *(code_of(enroll(db, one.install_token.text, key)) for one in made)
    )
    assert sorted(codes) == ["device_key_taken", "ok"]
    loser = made[codes.index("device_key_taken")]
    assert await code_of(enroll(db, loser.install_token.text, new_key())) == "ok", (
        "its token was not spent"
    )


@pytest.mark.parametrize(("minutes", "code"), [(9.99, "ok"), (10, "token_expired")])
@on_sqlite
async def test_a_token_lives_for_ten_minutes_unless_said_otherwise(db, owner, clock, minutes, code):
    made = await register(db, owner)
    clock.advance(minutes=minutes)
    assert await code_of(enroll(db, made.install_token.text, new_key())) == code


@on_sqlite
async def test_a_lost_answer_is_answered_again_even_after_the_token_expired(db, owner, clock):
    made = await register(db, owner)
    key = new_key()
    first = await enroll(db, made.install_token.text, key)
    clock.advance(days=3)
    assert await enroll(db, made.install_token.text, key) == first
    async with db.write() as tx:
        await provisioning.rotate_key(tx, owner, made.device.id)
    again = enroll(db, made.install_token.text, key)
    assert await code_of(again) == "token_invalid", "that key is revoked by now"


@on_sqlite
@pytest.mark.parametrize(
    ("expires_in", "code"),
    [
        (timedelta(seconds=59), "invalid"),
        (timedelta(seconds=60), "ok"),
        (timedelta(days=30), "ok"),
        (timedelta(days=30, seconds=1), "invalid"),
    ],
)
async def test_a_token_lives_from_a_minute_to_thirty_days(db, owner, expires_in, code):
    assert await code_of(register(db, owner, expires_in=expires_in)) == code


@on_sqlite
async def test_a_fresh_token_voids_the_one_before_and_locks_old_hardware_out(db, owner):
    made = await register(db, owner)
    old_key, new = new_key(), new_key()
    async with db.write() as tx:
        second = await provisioning.new_install_token(tx, owner, made.device.id)
    assert await code_of(enroll(db, made.install_token.text, old_key)) == "token_invalid"
    await enroll(db, second.text, old_key)
    async with db.write() as tx:
        third = await provisioning.new_install_token(tx, owner, made.device.id)
    assert await opens(db, old_key) == "ok", "until the new hardware is there"
    await enroll(db, third.text, new)
    assert [await opens(db, key) for key in (old_key, new)] == ["key_invalid", "ok"]


@on_sqlite
@pytest.mark.parametrize(
    "key",
    [
        "adk_" + "0" * 48,
        new_key_text("sk_live"),
        new_key_text("inst"),
        new_key_text("adk")[:-1],
        new_key_text("adk").upper(),
        "",
        "secret",
    ],
    ids=["checksum", "a workspace key", "a token", "cut", "upper case", "empty", "a word"],
)
async def test_a_proposed_key_that_is_none_spends_no_token(db, owner, key):
    made = await register(db, owner)
    assert await code_of(enroll(db, made.install_token.text, key)) == "invalid"
    assert await code_of(enroll(db, made.install_token.text, new_key())) == "ok"


@on_sqlite
async def test_a_token_nobody_made_is_refused(db, owner):
    for token in ("", "x", new_key_text("inst"), new_key_text("adk"), "ü" * 99):
        assert await code_of(enroll(db, token, new_key())) == "token_invalid"
        async with db.read() as tx:
            assert await code_of(provisioning.check_install_token(tx, token)) == "not_found"


@on_sqlite
async def test_a_token_of_a_retired_device_enrols_nobody(db, owner):
    made = await register(db, owner)
    async with db.write() as tx:
        await provisioning.retire(tx, owner, made.device.id)
    assert await code_of(enroll(db, made.install_token.text, new_key())) == "token_invalid"


async def test_a_device_enrolled_and_retired_at_once_is_not_left_half(db, owner):
    for _ in range(5):
        made = await register(db, owner)

        async def retire(device_id: str = made.device.id) -> None:
            async with db.write() as tx:
                await provisioning.retire(tx, owner, device_id)

        await asyncio.gather(
            enroll(db, made.install_token.text, new_key()), retire(), return_exceptions=True
        )
    assert await column(db, "SELECT id FROM devices") == []
    assert await column(db, "SELECT id FROM keys WHERE device_id IS NOT NULL") == []
    assert len(await column(db, "SELECT device_id FROM device_tombstones")) == 5


@on_sqlite
async def test_the_mode_of_a_device_is_that_of_who_made_it(db):
    tester = await make_owner(db, "acme", live=False)
    made = await register(db, tester)
    key = new_key()
    await enroll(db, made.install_token.text, key)
    async with db.read() as tx:
        caller = await keys.authenticate(tx, key)
        assert (caller.live, caller.device_id) == (False, made.device.id)
        assert (await devices.get_own(tx, caller)).id == made.device.id


@on_sqlite
async def test_enrolling_takes_the_suspicion_of_a_clone_back(db, owner):
    made = await register(db, owner)
    async with db.write() as tx:
        await devices.flag_clone(tx, made.device.ref, "why")
    flagged = "SELECT id FROM devices WHERE clone_suspected_at IS NOT NULL"
    assert len(await column(db, flagged)) == 1
    await enroll(db, made.install_token.text, new_key())
    assert await column(db, flagged) == []


@on_postgresql
async def test_a_newcomer_is_looked_for_by_its_own_id_and_not_among_all_devices(db, owner):
    """Also on a database without statistics: a plan that is made then is kept for a minute."""
    async with db.write() as tx:
        token = (await provisioning.create_token(tx, owner, name="fleet")).text
    for number in range(40):
        newcomer = provisioning.Newcomer(f"box-{number}")
        async with db.write() as tx:
            await provisioning.provision(
                tx, token=token, device_key=None, newcomer=newcomer, told={}
            )
    async with db.read() as tx:
        await tx.rows(sa.text("SELECT pg_stat_force_next_flush()"))
        assert (await devices.get_by_any_id(tx, owner, "box-7")).external_id == "box-7"
    read = "SELECT sum(idx_tup_read) AS n FROM pg_stat_user_indexes WHERE indexrelname LIKE :name"
    async with db.read() as tx:
        row = await tx.row(sa.text(read), {"name": "ix\\_devices\\_%"})
        assert row.n == 0
