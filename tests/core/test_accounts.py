"""Signing in: who gets in, who does not, and that a refusal tells nothing."""

import asyncio
from datetime import timedelta

import pyotp
import pytest
import sqlalchemy as sa

from moorage.core import accounts
from moorage.core.accounts import NewSession, Origin, Passwords, Role, SecondStep
from moorage.core.errors import DomainError
from support.accounts import ELSEWHERE, PASSWORD, People, cheap


@pytest.fixture
def people(db) -> People:
    return People(db, cheap())


@pytest.fixture
async def ada(people) -> NewSession:
    return await people.set_up()


async def everything_stored(db) -> str:
    async with db.read() as tx:
        return await tx.on_connection(_dump)


def _dump(connection) -> str:
    names = sa.inspect(connection).get_table_names()
    return "\n".join(
        repr(row)
        for name in names
        for row in connection.execute(sa.text(f'SELECT * FROM "{name}"')).all()
    )


async def test_the_right_password_signs_in_and_the_session_stands_for_the_person(people, ada):
    made = await people.sign_in(email=" Ada@Example.COM ")
    found = await people.find(made)
    assert found.caller.actor == f"user:{ada.session.account.id}"
    assert (found.caller.workspace_id, found.caller.live) == (people.workspace_id, True)
    assert found.role is Role.OWNER
    assert found.csrf == made.session.csrf != ""


async def test_no_secret_is_stored_as_it_is(db, people, ada):
    phone, codes = await people.with_totp(ada)
    step = await people.sign_in()
    async with db.write() as tx:
        link = await accounts.invite(tx, ada.session.caller, "bob@example.com", Role.VIEWER)
    stored = await everything_stored(db)
    assert "$argon2id$" in stored
    for secret in (
        PASSWORD,
        ada.text,
        ada.session.csrf,
        step.text,
        link.text,
        phone.secret,
        *codes,
    ):
        assert secret not in stored
    assert codes[0].replace("-", "") not in stored


async def test_a_password_is_kept_as_argon2id_with_a_salt_of_its_own():
    passwords = Passwords()
    one, other = await passwords.hash(PASSWORD), await passwords.hash(PASSWORD)
    assert one.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert one != other


async def test_how_the_keyboard_composes_a_letter_does_not_matter(people, ada):
    composed, apart = "fünf gr\u00fcne \u00e4pfel", "fünf gru\u0308ne a\u0308pfel"
    checked = await people.checked(ada)
    async with people.db.write() as tx:
        hashed = await people.passwords.hash(composed)
        assert await accounts.change_password(tx, ada.session, checked, hashed)
    assert isinstance(await people.sign_in(password=apart), NewSession)


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaaaa", "ada@example.com", "x" * 257])
async def test_a_password_that_would_be_guessed_is_refused(password):
    with pytest.raises(DomainError) as refusal:
        await cheap().hash(password, email="ada@example.com")
    assert refusal.value.code == "invalid"
    assert password not in str(refusal.value)


async def test_each_refusal_is_the_same_and_costs_the_same_hashing(db, people, ada, clock):
    """Unknown, wrong, locked, without a password, disabled: one answer, one computation each."""
    await people.join(ada, "locked@example.com", Role.VIEWER)
    await people.join(ada, "disabled@example.com", Role.VIEWER)
    async with db.write() as tx:
        await accounts.set_disabled(tx, "disabled@example.com", disabled=True, actor="system:test")
    for number in range(5):
        await people.sign_in("locked@example.com", "wrong", Origin(f"198.51.100.{number}"))
    outcomes = {}
    for email, password in {
        "nobody@example.com": PASSWORD,
        "ada@example.com": "wrong",
        "locked@example.com": PASSWORD,
        "disabled@example.com": PASSWORD,
        "": "",
        "ada@example.com\x00": PASSWORD * 100,
    }.items():
        before = people.passwords.computed
        outcome = await people.sign_in(email, password)
        outcomes[email] = (outcome, people.passwords.computed - before)
    assert set(outcomes.values()) == {(None, 1)}


async def test_an_account_without_a_password_cannot_be_signed_in_to_with_one(people, ada):
    async with people.db.write() as tx:
        await tx.run(sa.text("UPDATE accounts SET password = NULL"))
    for password in ("", PASSWORD, "None"):
        assert await people.sign_in(password=password) is None


async def test_a_thousand_guesses_come_to_a_few(people, ada, clock):
    """From as many networks, one a second: pauses grow, so hardly any is looked at."""
    for number in range(1000):
        clock.advance(seconds=1)
        origin = Origin(f"10.0.{number // 250}.{number % 250}")
        assert await people.sign_in(password=f"guess {number}", origin=origin) is None
    told = await people.audit(people.workspace_id)
    # The fifth wrong answer begins the first pause, and each that counts a longer one.
    counted = 4 + [action for action, _ in told].count("account.sign_in_paused")
    assert 5 <= counted <= 12
    assert await people.sign_in() is None, "not even the right one gets through in a pause"
    clock.advance(minutes=15)
    assert isinstance(await people.sign_in(), NewSession)


async def test_guesses_made_all_at_once_are_counted_one_by_one(people, ada):
    guesses = [
        people.sign_in(password=f"guess {n}", origin=Origin(f"10.1.0.{n}")) for n in range(40)
    ]
    assert set(await asyncio.gather(*guesses)) == {None}
    assert await people.sign_in() is None
    told = await people.audit(people.workspace_id)
    assert [action for action, _ in told].count("account.sign_in_paused") == 1


async def test_one_network_is_paused_whatever_accounts_it_tries(people, ada, clock):
    for number in range(20):
        await people.sign_in(f"somebody{number}@example.com", "wrong")
    with pytest.raises(DomainError) as refusal:
        await people.sign_in()
    assert (refusal.value.code, refusal.value.retry_after_s) == ("sign_in_paused", 15)
    before = people.passwords.computed
    with pytest.raises(DomainError):
        await people.sign_in("nobody@example.com")
    assert people.passwords.computed == before, "nothing is hashed for a network in a pause"
    assert isinstance(await people.sign_in(origin=Origin("192.0.2.1")), NewSession)
    clock.advance(seconds=15)
    assert isinstance(await people.sign_in(), NewSession)


async def test_a_customers_whole_ipv6_network_counts_as_one(people, ada):
    for number in range(20):
        await people.sign_in("nobody@example.com", "wrong", Origin(f"2001:db8:1:2::{number:x}"))
    with pytest.raises(DomainError):
        await people.sign_in(origin=Origin("2001:db8:1:2:ffff::1"))
    assert isinstance(await people.sign_in(origin=Origin("2001:db8:1:3::1")), NewSession)


async def test_signing_in_forgives_the_account_and_not_the_network(people, ada, clock):
    for _ in range(4):
        for _ in range(4):
            await people.sign_in(password="wrong")
        assert isinstance(await people.sign_in(), NewSession)
    for _ in range(4):
        await people.sign_in(password="wrong")
    with pytest.raises(DomainError) as refusal:
        await people.sign_in()
    assert refusal.value.code == "sign_in_paused"
    clock.advance(hours=24)
    assert await people.sign_in(password="wrong") is None
    assert isinstance(await people.sign_in(), NewSession)


async def test_hashing_is_bounded_and_says_so(people):
    passwords = Passwords(memory_kib=8, passes=1, lanes=1, at_once=1, most_waiting=2)
    async with people.db.read() as tx:
        attempt = await accounts.begin_sign_in(tx, "nobody@example.com", ELSEWHERE)
    checks = [passwords.check(attempt, "wrong") for _ in range(10)]
    outcomes = await asyncio.gather(*checks, return_exceptions=True)
    refused = [one for one in outcomes if isinstance(one, DomainError)]
    assert {one.code for one in refused} == {"sign_in_busy"}
    assert len(refused) == 7
    assert (await passwords.check(attempt, "wrong")).matched is False


async def test_a_hash_of_other_days_is_renewed_by_signing_in(people, ada):
    people.passwords = Passwords(memory_kib=16, passes=1, lanes=1)
    assert isinstance(await people.sign_in(), NewSession)
    assert "m=16,t=1,p=1" in await everything_stored(people.db)
    before = people.passwords.computed
    assert isinstance(await people.sign_in(), NewSession)
    assert people.passwords.computed == before + 1


async def test_a_password_changed_while_another_was_hashed_is_not_let_in(people, ada):
    async with people.db.read() as tx:
        attempt = await accounts.begin_sign_in(tx, "ada@example.com", ELSEWHERE)
    checked = await people.passwords.check(attempt, PASSWORD)
    shown = await people.checked(ada)
    new = await people.passwords.hash("something else entirely")
    async with people.db.write() as tx:
        assert await accounts.change_password(tx, ada.session, shown, new)
    async with people.db.write() as tx:
        assert await accounts.sign_in(tx, checked) is None


# --- second factor


async def test_with_a_second_factor_the_password_alone_signs_nobody_in(people, ada, clock):
    phone, _ = await people.with_totp(ada)
    clock.advance(seconds=30)
    step = await people.sign_in()
    assert isinstance(step, SecondStep)
    async with people.db.read() as tx:
        assert await accounts.find_session(tx, step.text) is None
    assert await people.finish(step, "000000") is None
    made = await people.finish(step, phone.at(clock.now()))
    assert (await people.find(made)).account.has_totp


async def test_a_code_is_good_once(people, ada, clock):
    phone, _ = await people.with_totp(ada)
    clock.advance(seconds=30)
    first, second = await people.sign_in(), await people.sign_in()
    code = phone.at(clock.now())
    assert isinstance(await people.finish(first, code), NewSession)
    assert await people.finish(second, code) is None
    clock.advance(seconds=30)
    assert isinstance(await people.finish(second, phone.at(clock.now())), NewSession)


async def test_a_code_is_good_once_however_many_show_it_at_once(people, ada, clock):
    phone, _ = await people.with_totp(ada)
    clock.advance(seconds=30)
    steps = [await people.sign_in() for _ in range(4)]
    code = phone.at(clock.now())
    outcomes = await asyncio.gather(*(people.finish(step, code) for step in steps))
    assert [type(one) for one in outcomes].count(NewSession) == 1


@pytest.mark.parametrize(
    ("seconds", "good"), [(-60, False), (-30, True), (0, True), (30, True), (60, False)]
)
async def test_a_phone_may_be_thirty_seconds_off(people, ada, clock, seconds, good):
    phone, _ = await people.with_totp(ada)
    clock.advance(seconds=300)
    step = await people.sign_in()
    made = await people.finish(step, phone.at(clock.now() + timedelta(seconds=seconds)))
    assert isinstance(made, NewSession) is good


async def test_a_recovery_code_stands_in_once_for_a_lost_phone(people, ada):
    _, codes = await people.with_totp(ada)
    assert len(set(codes)) == 10
    first, second = await people.sign_in(), await people.sign_in()
    shown = codes[0].upper().replace("-", " ")
    assert isinstance(await people.finish(first, shown), NewSession)
    assert await people.finish(second, codes[0]) is None
    assert isinstance(await people.finish(second, codes[1]), NewSession)


async def test_guessing_codes_is_paused_like_guessing_passwords(people, ada, clock):
    phone, _ = await people.with_totp(ada)
    clock.advance(seconds=60)
    step = await people.sign_in()
    for number in range(5):
        assert await people.finish(step, f"{number:06}", Origin(f"198.51.100.{number}")) is None
    assert await people.finish(step, phone.at(clock.now())) is None
    clock.advance(seconds=30)
    assert isinstance(await people.finish(step, phone.at(clock.now())), NewSession)


async def test_the_second_step_is_for_some_minutes(people, ada, clock):
    phone, _ = await people.with_totp(ada)
    step = await people.sign_in()
    clock.advance(minutes=6)
    with pytest.raises(DomainError) as refusal:
        await people.finish(step, phone.at(clock.now()))
    assert refusal.value.code == "link_invalid"


async def test_a_second_factor_is_in_force_only_once_it_was_confirmed(people, ada):
    checked = await people.checked(ada)
    async with people.db.write() as tx:
        offered = await accounts.begin_totp(tx, ada.session, checked)
    assert offered.uri.startswith("otpauth://totp/Moorage:ada%40example.com?secret=")
    with pytest.raises(DomainError) as refusal:
        async with people.db.write() as tx:
            await accounts.confirm_totp(tx, ada.session, "000000")
    assert refusal.value.faults[0].pointer == "/code"
    assert isinstance(await people.sign_in(), NewSession)


async def test_taking_the_second_factor_away_needs_the_password(people, ada):
    await people.with_totp(ada)
    wrong = await people.checked(ada, "not it")
    async with people.db.write() as tx:
        assert not await accounts.remove_totp(tx, ada.session, wrong)
    with pytest.raises(DomainError) as refusal:
        async with people.db.write() as tx:
            await accounts.remove_totp(tx, ada.session, None)
    assert refusal.value.code == "password_required"
    assert isinstance(await people.sign_in(), SecondStep)
    right = await people.checked(ada)
    async with people.db.write() as tx:
        assert await accounts.remove_totp(tx, ada.session, right)
    assert isinstance(await people.sign_in(), NewSession)


def test_codes_are_those_of_the_standard():
    """RFC 6238, appendix B: SHA-1, the last six of its eight digits."""
    phone = pyotp.TOTP("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
    assert [phone.at(at) for at in (59, 1111111109, 2000000000)] == ["287082", "081804", "279037"]


# --- sessions


async def test_a_session_ends_unused_after_a_day_and_in_any_case_after_two_weeks(
    people, ada, clock
):
    clock.advance(hours=23)
    found = await people.find(ada)
    assert found.is_to_note(clock.now())
    for _ in range(15):
        async with people.db.write() as tx:
            await accounts.note_use(tx, ada.session)
        clock.advance(hours=22)
    assert await people.find(ada) is None, "used all the time, and over all the same"
    other = await people.sign_in()
    clock.advance(hours=24)
    assert await people.find(other) is None


async def test_signing_out_ends_the_session_at_once(people, ada):
    other = await people.sign_in()
    async with people.db.write() as tx:
        await accounts.end_session(tx, ada.session)
    assert await people.find(ada) is None
    assert await people.find(other) is not None


async def test_an_own_session_elsewhere_can_be_ended_and_nobody_elses(people, ada):
    other = await people.sign_in(origin=Origin("192.0.2.7", "Phone\x07/2"))
    bob = await people.join(ada, "bob@example.com", Role.OWNER)
    async with people.db.read() as tx:
        listed = await accounts.list_sessions(tx, ada.session)
    assert {(one.id, one.address, one.agent) for one in listed} == {
        (ada.session.id, "203.0.113.9", "Test/1.0"),
        (other.session.id, "192.0.2.7", "Phone/2"),
    }
    with pytest.raises(DomainError) as refusal:
        async with people.db.write() as tx:
            await accounts.end_session(tx, bob.session, other.session.id)
    assert refusal.value.code == "not_found"
    async with people.db.write() as tx:
        await accounts.end_session(tx, ada.session, other.session.id)
    assert await people.find(other) is None


async def test_a_new_password_ends_all_other_sessions(people, ada):
    other = await people.sign_in()
    checked = await people.checked(ada)
    new = await people.passwords.hash("a fresh and longer one")
    async with people.db.write() as tx:
        assert await accounts.change_password(tx, ada.session, checked, new)
    assert await people.find(ada) is not None
    assert await people.find(other) is None
    assert await people.sign_in() is None
    assert isinstance(await people.sign_in(password="a fresh and longer one"), NewSession)


async def test_a_disabled_account_is_out_at_once(people, ada):
    bob = await people.join(ada, "bob@example.com", Role.OPERATOR)
    async with people.db.write() as tx:
        await accounts.set_disabled(tx, "bob@example.com", disabled=True, actor="system:test")
    assert await people.find(bob) is None
    assert await people.sign_in("bob@example.com") is None
    async with people.db.write() as tx:
        await accounts.set_disabled(tx, "bob@example.com", disabled=False, actor="system:test")
    assert await people.find(bob) is None, "what was ended stays so"
    assert isinstance(await people.sign_in("bob@example.com"), NewSession)


async def test_a_session_switches_between_ones_own_workspaces_and_modes_only(people, ada):
    stranger = await people.set_up("eve@example.com", "other")
    mine = ada.session.workspace_id
    async with people.db.write() as tx:
        await accounts.switch(tx, ada.session, live=False)
    found = await people.find(ada)
    assert (found.caller.workspace_id, found.caller.live) == (mine, False)
    with pytest.raises(DomainError) as refusal:
        async with people.db.write() as tx:
            await accounts.switch(tx, ada.session, workspace_id=stranger.session.workspace_id)
    assert refusal.value.code == "not_found"


@pytest.mark.parametrize("text", ["", "mses_", "mses_" + "0" * 64, "x" * 10_000, "mses_\x00é"])
async def test_what_is_no_sessions_text_finds_none(people, ada, text):
    async with people.db.read() as tx:
        assert await accounts.find_session(tx, text) is None


async def test_what_is_over_is_cleared_out(db, people, ada, clock):
    await people.sign_in(password="wrong")
    async with db.write() as tx:
        await accounts.new_set_up_link(tx)
    clock.advance(days=2)
    fresh = await people.sign_in()
    async with db.write() as tx:
        # The session, the link, and what was counted for the network: the account is forgiven.
        assert await accounts.purge(tx, rows=100) == 3
        assert await accounts.purge(tx, rows=100) == 0
    assert await people.find(fresh) is not None
