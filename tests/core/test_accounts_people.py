"""Roles, invitations and links: who may do what, and that each link works once."""

import asyncio

import pytest

from moorage.core import accounts, keys, workspaces
from moorage.core.accounts import LinkKind, NewSession, Role
from moorage.core.caller import Scope
from moorage.core.errors import DomainError
from support.accounts import ELSEWHERE, PASSWORD, People, cheap

# Written out, so that a new scope is decided upon for each role by somebody.
ROLES = {
    Scope.DEVICE_READ: "owner operator viewer",
    Scope.DEVICE_UPDATE: "owner operator",
    Scope.DEVICE_DELETE: "owner operator",
    Scope.CONFIG_READ: "owner operator viewer",
    Scope.CONFIG_READ_SECRETS: "owner",
    Scope.CONFIG_WRITE: "owner operator",
    Scope.COMMAND_SEND: "owner operator",
    Scope.COMMAND_REBOOT: "owner operator",
    Scope.ENVIRONMENT_MANAGE: "owner",
    Scope.TOKEN_READ: "owner operator viewer",
    Scope.TOKEN_WRITE: "owner operator",
    Scope.API_KEY_READ: "owner operator",
    Scope.API_KEY_CREATE: "owner",
    Scope.API_KEY_UPDATE: "owner",
    Scope.API_KEY_REVOKE: "owner",
    Scope.AUDIT_READ: "owner operator viewer",
    Scope.WORKSPACE_ADMIN: "owner",
}


@pytest.fixture
def people(db) -> People:
    return People(db, cheap())


@pytest.fixture
async def ada(people) -> NewSession:
    return await people.set_up()


@pytest.mark.parametrize("role", list(Role))
async def test_each_role_may_what_the_table_says(people, ada, role):
    made = await people.join(ada, "bob@example.com", role)
    caller = (await people.find(made)).caller
    assert {scope for scope in Scope if caller.may(scope)} == {
        scope for scope, roles in ROLES.items() if role in roles.split()
    }


async def test_who_lacks_a_scope_is_told_of_the_role_and_not_of_a_key(people, ada):
    viewer = await people.join(ada, "bob@example.com", Role.VIEWER)
    with pytest.raises(DomainError) as refusal:
        async with people.db.write() as tx:
            await keys.create(tx, viewer.session.caller, name="mine", scopes=None)
    assert (refusal.value.code, "your role" in str(refusal.value)) == ("missing_scope", True)


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.VIEWER])
async def test_only_an_owner_manages_people(people, ada, role):
    made = await people.join(ada, "bob@example.com", role)
    bob, caller = made.session.account.id, made.session.caller
    async with people.db.write() as tx:
        link = await accounts.invite(tx, ada.session.caller, "carol@example.com", Role.VIEWER)
    for attempt in (
        lambda tx: accounts.invite(tx, caller, "eve@example.com", Role.VIEWER),
        lambda tx: accounts.list_invites(tx, caller),
        lambda tx: accounts.revoke_invite(tx, caller, link.link.id),
        lambda tx: accounts.list_members(tx, caller),
        lambda tx: accounts.change_role(tx, caller, bob, Role.OWNER),
        lambda tx: accounts.remove_member(tx, caller, ada.session.account.id),
    ):
        with pytest.raises(DomainError) as refusal:
            async with people.db.write() as tx:
                await attempt(tx)
        assert refusal.value.code == "missing_scope"


async def test_a_role_that_changes_holds_with_the_next_request(people, ada):
    made = await people.join(ada, "bob@example.com", Role.VIEWER)
    async with people.db.write() as tx:
        await accounts.change_role(tx, ada.session.caller, made.session.account.id, Role.OPERATOR)
    assert (await people.find(made)).caller.may(Scope.DEVICE_UPDATE)


async def test_an_owner_of_one_workspace_reaches_nobody_in_another(people, ada):
    eve = await people.set_up("eve@example.com", "other")
    for attempt in (
        lambda tx: accounts.change_role(
            tx, eve.session.caller, ada.session.account.id, Role.VIEWER
        ),
        lambda tx: accounts.remove_member(tx, eve.session.caller, ada.session.account.id),
    ):
        with pytest.raises(DomainError) as refusal:
            async with people.db.write() as tx:
                await attempt(tx)
        assert refusal.value.code == "not_found"


async def test_the_last_owner_stays_one(people, ada, db):
    me = ada.session.account.id
    await people.join(ada, "bob@example.com", Role.OPERATOR)
    for attempt in (
        lambda tx: accounts.change_role(tx, ada.session.caller, me, Role.VIEWER),
        lambda tx: accounts.remove_member(tx, ada.session.caller, me),
    ):
        with pytest.raises(DomainError) as refusal:
            async with db.write() as tx:
                await attempt(tx)
        assert refusal.value.code == "last_owner"
    assert (await people.find(ada)).role is Role.OWNER


@pytest.mark.parametrize("how", ["removed", "made an operator"])
async def test_who_is_an_owner_no_longer_does_not_come_back_by_an_own_invitation(
    people, ada, db, how
):
    bob = await people.join(ada, "bob@example.com", Role.OWNER)
    async with db.write() as tx:
        his = await accounts.invite(tx, bob.session.caller, "bob2@example.com", Role.OWNER)
        hers = await accounts.invite(tx, ada.session.caller, "carol@example.com", Role.VIEWER)
    async with db.write() as tx:
        if how == "removed":
            await accounts.remove_member(tx, ada.session.caller, bob.session.account.id)
        else:
            await accounts.change_role(
                tx, ada.session.caller, bob.session.account.id, Role.OPERATOR
            )
    async with db.read() as tx:
        assert await accounts.find_link(tx, his.text, LinkKind.INVITE) is None
        assert await accounts.find_link(tx, hers.text, LinkKind.INVITE) is not None


async def test_an_owner_who_is_disabled_does_not_count_as_one(people, ada, db):
    await people.join(ada, "bob@example.com", Role.OWNER)
    async with db.write() as tx:
        await accounts.set_disabled(tx, "bob@example.com", disabled=True, actor="system:test")
    with pytest.raises(DomainError) as refusal:
        async with db.write() as tx:
            await accounts.remove_member(tx, ada.session.caller, ada.session.account.id)
    assert refusal.value.code == "last_owner"


async def test_two_owners_who_take_the_role_from_each_other_leave_one(people, ada, db):
    bob = await people.join(ada, "bob@example.com", Role.OWNER)

    async def demote(by, whom):
        async with db.write() as tx:
            await accounts.change_role(tx, by.session.caller, whom.session.account.id, Role.VIEWER)

    outcomes = await asyncio.gather(demote(ada, bob), demote(bob, ada), return_exceptions=True)
    assert [type(one) for one in outcomes].count(DomainError) == 1
    async with db.read() as tx:
        members = await accounts.list_members(tx, ada.session.caller)
    assert sorted(member.role for member in members) == [Role.OWNER, Role.VIEWER]


async def test_who_is_removed_is_out_at_once_and_an_account_of_nothing_is_gone(people, ada, db):
    eve = await people.set_up("eve@example.com", "other")
    async with db.write() as tx:
        link = await accounts.invite(tx, ada.session.caller, "eve@example.com", Role.OPERATOR)
        await accounts.accept_invite(tx, eve.session, link.text)
    bob = await people.join(ada, "bob@example.com", Role.VIEWER)
    for gone in (eve, bob):
        async with db.write() as tx:
            await accounts.remove_member(tx, ada.session.caller, gone.session.account.id)
        assert await people.find(gone) is None
    assert await people.sign_in("bob@example.com") is None
    made = await people.sign_in("eve@example.com")
    assert made.session.workspace_id == eve.session.workspace_id, "the other workspace is left"


# --- invitations


async def test_an_invitation_makes_a_member_once(people, ada, db):
    hashed = await people.passwords.hash(PASSWORD)
    async with db.write() as tx:
        link = await accounts.invite(tx, ada.session.caller, " Bob@Example.com", Role.OPERATOR)
        assert (await accounts.check_link(tx, link.text, LinkKind.INVITE)) == link.link

    async def redeem():
        async with db.write() as tx:
            return await accounts.redeem_invite(
                tx, link.text, name="Bob", hashed=hashed, origin=ELSEWHERE
            )

    outcomes = await asyncio.gather(*(redeem() for _ in range(4)), return_exceptions=True)
    made = [one for one in outcomes if isinstance(one, NewSession)]
    assert len(made) == 1
    assert {one.code for one in outcomes if isinstance(one, DomainError)} == {"link_invalid"}
    assert (made[0].session.account.email, made[0].session.role) == (
        "bob@example.com",
        Role.OPERATOR,
    )
    async with db.read() as tx:
        assert list(await accounts.list_invites(tx, ada.session.caller)) == []


async def test_an_invitation_can_be_taken_back_is_replaced_and_expires(people, ada, db, clock):
    async with db.write() as tx:
        first = await accounts.invite(tx, ada.session.caller, "bob@example.com", Role.OWNER)
        second = await accounts.invite(tx, ada.session.caller, "bob@example.com", Role.VIEWER)
        other = await accounts.invite(tx, ada.session.caller, "carol@example.com", Role.VIEWER)
    async with db.write() as tx:
        await accounts.revoke_invite(tx, ada.session.caller, other.link.id)
        listed = await accounts.list_invites(tx, ada.session.caller)
    assert [(one.id, one.role) for one in listed] == [(second.link.id, Role.VIEWER)]
    clock.advance(days=7)
    for text in (first.text, second.text, other.text, "mlnk_" + "0" * 64, "", "\x00" * 9999):
        async with db.read() as tx:
            with pytest.raises(DomainError) as refusal:
                await accounts.check_link(tx, text, LinkKind.INVITE)
        assert refusal.value.code == "link_invalid"


async def test_a_link_is_good_for_its_own_purpose_only(people, ada, db):
    async with db.write() as tx:
        invitation = await accounts.invite(tx, ada.session.caller, "bob@example.com", Role.OWNER)
        reset = await accounts.reset_link(tx, "ada@example.com")
    for attempt in (
        lambda tx: accounts.redeem_reset(tx, invitation.text, hashed="x"),
        lambda tx: accounts.redeem_invite(tx, reset.text, name="Bob", hashed="x", origin=ELSEWHERE),
        lambda tx: accounts.finish_sign_in(tx, reset.text, "000000", ELSEWHERE),
        lambda tx: accounts.redeem_set_up(
            tx, invitation.text, email="b@c", name="B", hashed="x", origin=ELSEWHERE
        ),
    ):
        with pytest.raises(DomainError) as refusal:
            async with db.write() as tx:
                await attempt(tx)
        assert refusal.value.code == "link_invalid"


async def test_who_has_an_account_accepts_with_it_and_nobody_elses_invitation(people, ada, db):
    eve = await people.set_up("eve@example.com", "other")
    async with db.write() as tx:
        link = await accounts.invite(tx, ada.session.caller, "ada2@example.com", Role.VIEWER)
        hers = await accounts.invite(tx, ada.session.caller, "eve@example.com", Role.VIEWER)
        assert await accounts.has_account(tx, hers.link)
        assert not await accounts.has_account(tx, link.link)
    with pytest.raises(DomainError) as refusal:
        async with db.write() as tx:
            await accounts.accept_invite(tx, eve.session, link.text)
    assert refusal.value.code == "invite_for_another"
    with pytest.raises(DomainError) as refusal:
        async with db.write() as tx:
            await accounts.redeem_invite(
                tx, hers.text, name="Not Eve", hashed="x", origin=ELSEWHERE
            )
    assert refusal.value.code == "account_exists"
    async with db.write() as tx:
        await accounts.accept_invite(tx, eve.session, hers.text)
    found = await people.find(eve)
    assert (found.workspace_id, found.role) == (ada.session.workspace_id, Role.VIEWER)
    async with db.read() as tx:
        places = await accounts.places(tx, found.account)
    assert [(place.slug, place.role) for place in places] == [
        ("acme", Role.VIEWER),
        ("other", Role.OWNER),
    ]


# --- the first set-up, and a new password


async def test_the_first_set_up_makes_workspace_and_owner_and_voids_all_other_links(db, people):
    async with db.write() as tx:
        links = [await accounts.set_up_link(tx) for _ in range(3)]
    hashed = await people.passwords.hash(PASSWORD)

    async def redeem(number):
        async with db.write() as tx:
            return await accounts.redeem_set_up(
                tx,
                links[number].text,
                email="ada@example.com",
                name="Ada",
                hashed=hashed,
                origin=ELSEWHERE,
                workspace="fresh",
            )

    made = await redeem(0)
    for number in range(3):
        with pytest.raises(DomainError) as refusal:
            await redeem(number)
        assert refusal.value.code == "link_invalid"
    async with db.write() as tx:
        assert (await workspaces.get(tx, made.session.workspace_id)).slug == "fresh"
        assert await accounts.set_up_link(tx) is None


async def test_a_first_set_up_beside_the_one_workspace_there_is_owns_that(db, owner, people):
    hashed = await people.passwords.hash(PASSWORD)
    async with db.write() as tx:
        link = await accounts.set_up_link(tx)
        assert await accounts.suggested_workspace(tx, link.link) == "acme"
        made = await accounts.redeem_set_up(
            tx, link.text, email="a@b.example", name="A", hashed=hashed, origin=ELSEWHERE
        )
    assert made.session.workspace_id == owner.workspace_id


async def test_a_set_up_that_is_refused_leaves_the_link_good(db, people):
    hashed = await people.passwords.hash(PASSWORD)
    async with db.write() as tx:
        link = await accounts.set_up_link(tx)
    for wrong in (
        {"email": "nonsense"},
        {"name": " "},
        {"workspace": "v1"},
        {"workspace": "admin"},
        {"workspace": None},
    ):
        parts = {"email": "ada@example.com", "name": "Ada", "workspace": "acme"} | wrong
        with pytest.raises(DomainError) as refusal:
            async with db.write() as tx:
                await accounts.redeem_set_up(
                    tx, link.text, hashed=hashed, origin=ELSEWHERE, **parts
                )
        assert refusal.value.code == "invalid"
    async with db.read() as tx:
        assert await accounts.check_link(tx, link.text, LinkKind.SET_UP) == link.link


async def test_a_new_password_by_link_ends_sessions_and_pauses_but_not_the_second_factor(
    people, ada, db, clock
):
    await people.with_totp(ada)
    for _ in range(5):
        await people.sign_in(password="wrong")
    new = await people.passwords.hash("an entirely new one")
    async with db.write() as tx:
        link = await accounts.reset_link(tx, "ADA@example.com")
    async with db.write() as tx:
        await accounts.redeem_reset(tx, link.text, hashed=new)
    assert await people.find(ada) is None
    step = await people.sign_in(password="an entirely new one")
    assert isinstance(step, accounts.SecondStep)
    with pytest.raises(DomainError):
        async with db.write() as tx:
            await accounts.redeem_reset(tx, link.text, hashed=new)


# --- what is written down, and a database that was set back


async def test_every_change_is_in_the_audit_by_whom_it_was(people, ada, db):
    me = f"user:{ada.session.account.id}"
    bob = await people.join(ada, "bob@example.com", Role.VIEWER)
    _, codes = await people.with_totp(bob)
    step = await people.sign_in("bob@example.com")
    await people.finish(step, codes[0])
    checked = await people.checked(ada)
    hashed = await people.passwords.hash("another one, longer")
    async with db.write() as tx:
        await accounts.change_password(tx, ada.session, checked, hashed)
        await accounts.rename(tx, ada.session, "Ada L.")
        await accounts.change_role(tx, ada.session.caller, bob.session.account.id, Role.OPERATOR)
        await accounts.remove_member(tx, ada.session.caller, bob.session.account.id)
        await accounts.end_session(tx, ada.session)
    him = f"user:{bob.session.account.id}"
    told = await people.audit(people.workspace_id)
    assert [(action, actor) for action, actor in told if action.startswith("account.")] == [
        ("account.set_up", me),
        ("account.signed_in", me),
        ("account.invited", me),
        ("account.joined", him),
        ("account.signed_in", him),
        ("account.totp_set_up", him),
        ("account.recovery_code_used", him),
        ("account.signed_in", him),
        ("account.password_changed", me),
        ("account.renamed", me),
        ("account.role_changed", me),
        ("account.removed", me),
        ("account.signed_out", me),
    ]


async def test_a_database_that_was_set_back_lets_nobody_go_on_without_signing_in(people, ada, db):
    _, codes = await people.with_totp(ada)
    step = await people.sign_in()
    async with db.write() as tx:
        invitation = await accounts.invite(tx, ada.session.caller, "bob@example.com", Role.OWNER)
        set_up = await accounts.new_set_up_link(tx)
    async with db.write() as tx:
        await accounts.void_all(tx)
    assert await people.find(ada) is None
    for link in (invitation, set_up):
        async with db.read() as tx:
            with pytest.raises(DomainError) as refusal:
                await accounts.check_link(tx, link.text, link.link.kind)
        assert refusal.value.code == "link_invalid"
    with pytest.raises(DomainError):
        await people.finish(step, codes[0])
    step = await people.sign_in()
    assert await people.finish(step, codes[0]) is None
