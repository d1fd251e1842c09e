"""Saved views: everybody their own, in each workspace, over both engines."""

from dataclasses import replace

import pytest

from conftest import make_owner
from moorage.core import views
from moorage.core.caller import Scope
from moorage.core.errors import DomainError


async def names(db, caller) -> list[str]:
    async with db.read() as tx:
        return [view.name for view in await views.list_views(tx, caller)]


async def test_a_view_is_found_again_and_saved_anew_under_its_name(db, owner):
    async with db.write() as tx:
        await views.save(tx, owner, " late ones ", "status=late")
        await views.save(tx, owner, "cameras", "type=camera")
        await views.save(tx, owner, "late ones", "status=late&sort=name")
    async with db.read() as tx:
        found = await views.list_views(tx, owner)
    assert [(view.name, view.query) for view in found] == [
        ("cameras", "type=camera"),
        ("late ones", "status=late&sort=name"),
    ]


async def test_nobody_sees_or_takes_away_the_views_of_others(db, owner):
    async with db.write() as tx:
        await views.save(tx, owner, "mine", "status=late")
    colleague = replace(owner, actor="user:usr_other")
    elsewhere = await make_owner(db, "neighbour")
    for other in (colleague, replace(elsewhere, actor=owner.actor)):
        assert await names(db, other) == []
        with pytest.raises(DomainError, match="no such view"):
            async with db.write() as tx:
                await views.remove(tx, other, "mine")
    async with db.write() as tx:
        await views.remove(tx, owner, "mine")
    assert await names(db, owner) == []


@pytest.mark.parametrize(
    ("name", "query"), [("", "x"), (" ", "x"), ("n" * 81, "x"), ("a\nb", "x"), ("a", "x" * 2001)]
)
async def test_a_name_or_an_address_that_cannot_be_is_refused(db, owner, name, query):
    with pytest.raises(DomainError) as refused:
        async with db.write() as tx:
            await views.save(tx, owner, name, query)
    assert refused.value.code == "invalid"


async def test_there_are_fifty_at_most(db, owner):
    async with db.write() as tx:
        for number in range(50):
            await views.save(tx, owner, f"view {number}", "")
    with pytest.raises(DomainError) as refused:
        async with db.write() as tx:
            await views.save(tx, owner, "one more", "")
    assert refused.value.code == "too_many_views"


async def test_who_may_not_see_devices_has_no_views(db, owner):
    blind = replace(owner, scopes=frozenset({Scope.AUDIT_READ}))
    with pytest.raises(DomainError) as refused:
        async with db.read() as tx:
            await views.list_views(tx, blind)
    assert refused.value.code == "missing_scope"
