"""A database belongs to its server's keys: wrong ones are told before anything is written."""

import asyncio

import pytest
import sqlalchemy as sa

from moorage.storage import Vault, WrongKeys, identity
from support.engines import on_sqlite

VALUES = {"signing": "a" * 64, "encryption": "b" * 64}


async def check(db, values) -> None:
    async with db.write() as tx:
        await identity.claim_or_check(tx, values)


async def is_claimed(db) -> bool:
    async with db.read() as tx:
        return await identity.is_claimed(tx)


@on_sqlite
async def test_a_fresh_database_takes_the_first_keys_and_knows_them_again(db):
    assert not await is_claimed(db)
    await check(db, VALUES)
    assert await is_claimed(db)
    await check(db, VALUES)


@on_sqlite
@pytest.mark.parametrize("name", sorted(VALUES))
async def test_a_wrong_key_is_refused_by_name_and_changes_nothing(db, name):
    await check(db, VALUES)
    with pytest.raises(WrongKeys, match=name):
        await check(db, VALUES | {name: "c" * 64})
    await check(db, VALUES)


async def test_of_two_servers_with_different_keys_the_second_is_refused(db):
    async def start(values) -> str:
        try:
            await check(db, values)
        except WrongKeys:
            return "refused"
        return "ready"

    ended = await asyncio.gather(start(VALUES), start(VALUES | {"signing": "c" * 64}))
    assert sorted(ended) == ["ready", "refused"]
    async with db.read() as tx:
        rows = await tx.rows(sa.text("SELECT name FROM server_identity"))
    assert sorted(row.name for row in rows) == ["encryption", "signing"]


@pytest.mark.parametrize("value", [{}, [], None, "text", {"a": [1, 2.5, {"ü": None}]}, 2**53])
def test_what_is_sealed_comes_back_as_it_was(value):
    vault = Vault(b"k" * 32)
    sealed = vault.seal(value)
    assert vault.open(sealed) == value
    assert vault.seal(value) != sealed, "the same value twice does not look the same"


def test_what_another_key_sealed_or_a_disk_damaged_is_not_opened():
    vault = Vault(b"k" * 32)
    sealed = vault.seal({"password": "hunter2"})
    assert "hunter2" not in sealed
    damaged = sealed[:-5] + ("A" if sealed[-5] != "A" else "B") + sealed[-4:]
    for other, text in (
        (Vault(b"x" * 32), sealed),
        (vault, damaged),
        (vault, sealed[: len(sealed) // 2]),
        (vault, ""),
        (vault, "v1.????"),
        (vault, "ü"),
    ):
        with pytest.raises(WrongKeys):
            other.open(text)
