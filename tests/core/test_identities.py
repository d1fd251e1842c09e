"""People whom a provider vouches for, once they are known: what its claims do to their role."""

from dataclasses import replace

import pytest

from moorage.core import accounts
from moorage.core.accounts import Admission, Identity, NewSession, Role
from support.accounts import ELSEWHERE, People, cheap

ADMISSION = Admission(
    "acme",
    domains=frozenset({"example.com"}),
    default_role=Role.VIEWER,
    role_claim="groups",
    roles={"captains": Role.OWNER, "crew": Role.OPERATOR},
)
BOB = Identity("https://id.test", "u-2", "bob@example.com", True, "Bob", {"groups": ["captains"]})


@pytest.fixture
def people(db) -> People:
    return People(db, cheap())


@pytest.fixture
async def ada(people) -> NewSession:
    return await people.set_up()


async def come_in(people, identity: Identity, admission: Admission = ADMISSION) -> NewSession:
    async with people.db.write() as tx:
        return await accounts.sign_in_from_outside(tx, identity, admission, ELSEWHERE)


async def invites(people, ada) -> list[str | None]:
    async with people.db.read() as tx:
        found = await accounts.list_invites(tx, ada.session.caller)
    return sorted(one.email for one in found)


async def test_who_is_an_owner_no_more_by_a_claim_leaves_no_invitations(people, ada):
    bob = await come_in(people, BOB)
    assert bob.session.role is Role.OWNER
    async with people.db.write() as tx:
        await accounts.invite(tx, bob.session.caller, "bob2@example.com", Role.OWNER)
        await accounts.invite(tx, ada.session.caller, "carol@example.com", Role.VIEWER)
    await come_in(people, BOB)
    assert await invites(people, ada) == ["bob2@example.com", "carol@example.com"]
    now = await come_in(people, replace(BOB, claims={"groups": ["crew"]}))
    assert now.session.role is Role.OPERATOR
    assert await invites(people, ada) == ["carol@example.com"]


@pytest.mark.parametrize(
    "said",
    [
        {"email": "bob@elsewhere.test"},
        {"email_verified": False},
        {"email": "bob@elsewhere.test", "claims": {}},
    ],
)
async def test_who_is_no_member_becomes_one_as_newcomers_do(people, ada, said):
    """Bob is at home in another workspace, with this sign-in connected to his account."""
    bob = await people.set_up("bob@example.com", "neighbour")
    identity = replace(BOB, **said)
    async with people.db.write() as tx:
        await accounts.link_identity(tx, bob.session, identity)
    made = await come_in(people, identity)
    assert made.session.workspace_id == bob.session.workspace_id
    async with people.db.read() as tx:
        found = await accounts.list_members(tx, ada.session.caller)
    assert [one.account.email for one in found] == ["ada@example.com"]
    fine = await come_in(people, BOB)
    assert (fine.session.workspace_id, fine.session.role) == (
        ada.session.workspace_id,
        Role.OWNER,
    )
