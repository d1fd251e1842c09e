"""Keys: what they open, and when they stop."""

import pytest

from conftest import make_owner
from moorage.core import keys
from moorage.core.errors import DomainError


async def test_a_new_key_stands_for_its_workspace_and_mode(db, owner):
    async with db.write() as tx:
        made = await keys.create(tx, owner, name="ci", scopes=["device:read"], live=False)
    async with db.read() as tx:
        caller = await keys.authenticate(tx, made.text)
    assert (caller.workspace_id, caller.live) == (owner.workspace_id, False)
    assert made.text.startswith("sk_test_")


async def test_a_revoked_key_is_refused_at_once(db, owner):
    async with db.write() as tx:
        made = await keys.create(tx, owner, name="ci", scopes=None)
    async with db.write() as tx:
        await keys.revoke(tx, owner, made.key.id)
    async with db.read() as tx:
        with pytest.raises(DomainError) as refusal:
            await keys.authenticate(tx, made.text)
    assert refusal.value.code == "key_invalid"


async def test_a_key_of_another_workspace_cannot_be_revoked(db, owner):
    stranger = await make_owner(db, "other")
    async with db.write() as tx:
        made = await keys.create(tx, owner, name="ci", scopes=None)
    with pytest.raises(DomainError) as refusal:
        async with db.write() as tx:
            await keys.revoke(tx, stranger, made.key.id)
    assert refusal.value.kind == "not_found"
