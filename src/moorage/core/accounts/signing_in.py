"""Signing in with a password and a code, and what becomes of sessions.

Hashing takes long, so it happens between two transactions: ``begin_sign_in``, ``Passwords.check``,
``sign_in``. The second decides, on what holds then; guesses made at once are counted one by one.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from moorage.core import audit, workspaces
from moorage.core.accounts import rules, session_store, store
from moorage.core.accounts.model import (
    Account,
    Link,
    LinkKind,
    NewSession,
    Origin,
    Place,
    SecondStep,
    Session,
)
from moorage.core.accounts.passwords import Attempt, Checked
from moorage.core.accounts.session_store import Failures
from moorage.core.caller import Caller
from moorage.core.errors import DomainError, Kind, not_found
from moorage.kit.ids import new_id
from moorage.storage import Row, Tx

_LONGEST_TEXT = 128


# --- signing in


async def begin_sign_in(tx: Tx, email: str, origin: Origin) -> Attempt:
    """Look up what the password is to be compared with; the same work for whoever it is.

    Raises:
        DomainError: ``sign_in_paused`` for an address that too many wrong answers came from.

    """
    counted = await session_store.find_failures(tx, rules.address_subject(origin.address))
    _check_not_paused(tx, counted)
    row = await store.find_by_email(tx, rules.fold_email(email))
    if row is None:
        return Attempt(rules.fold_email(email), origin, None, None)
    return Attempt(row.email, origin, row.id, row.password)


async def sign_in(tx: Tx, checked: Checked) -> NewSession | SecondStep | None:
    """Let in whoever showed the right password; with a second factor, to the second step.

    None is a refusal, and was counted: the transaction is to commit, and the answer is
    ``refused()`` whatever the reason.

    Raises:
        DomainError: ``sign_in_paused``; ``no_workspace`` for an account that is a member of none.

    """
    attempt = checked.attempt
    tally = await _tally(tx, attempt.email, attempt.origin)
    row = await _still_good(tx, checked)
    if row is None or tally.is_paused(tx):
        await tally.count(tx, attempt.account_id)
        return None
    if checked.renewed is not None:
        await store.update(tx, row.id, {"password": checked.renewed})
    if row.totp is not None:
        return SecondStep(await _put_second_step(tx, row.id))
    await tally.forgive(tx)
    return await open_session(tx, store.account_of(row), attempt.origin)


async def finish_sign_in(tx: Tx, text: str, code: str, origin: Origin) -> NewSession | None:
    """Let in whoever is at the second step and shows a code: of the second factor, or for recovery.

    None is a refusal, counted as a wrong password is; the transaction is to commit.

    Raises:
        DomainError: ``link_invalid`` when the first step was too long ago; ``sign_in_paused``.

    """
    step = await _second_step(tx, text)
    row = None if step.account_id is None else await store.find(tx, step.account_id, lock=True)
    if row is None:
        raise rules.link_invalid()
    tally = await _tally(tx, row.email, origin)
    if tally.is_paused(tx) or row.disabled_at is not None or not await _spend_code(tx, row, code):
        await tally.count(tx, row.id)
        return None
    if not await store.spend_link(tx, rules.digest(text)):
        raise rules.link_invalid()
    await tally.forgive(tx)
    return await open_session(tx, store.account_of(row), origin)


async def _second_step(tx: Tx, text: str) -> Link:
    found = None
    if len(text) <= _LONGEST_TEXT:
        found = await store.find_link(tx, rules.digest(text))
    if found is None or found.kind is not LinkKind.SECOND_STEP:
        raise rules.link_invalid()
    return found


async def _put_second_step(tx: Tx, account_id: str) -> str:
    text = rules.new_text(rules.LINK_PREFIX)
    kind = LinkKind.SECOND_STEP
    link = Link(
        id=new_id("lnk_"),
        kind=kind,
        workspace_id=None,
        account_id=account_id,
        email=None,
        role=None,
        created_at=tx.now,
        created_by=f"user:{account_id}",
        expires_at=tx.now + rules.VALID_FOR[kind],
    )
    await store.insert_link(tx, link, rules.digest(text))
    return text


async def _spend_code(tx: Tx, row: Row, code: str) -> bool:
    """Whether the code is good, which it never is again."""
    folded = rules.fold_code(code)
    if row.totp is None:  # taken away since the first step: who is here showed the password
        return True
    step = rules.matching_step(tx.vault.open(row.totp), folded, tx.now, after=row.totp_step)
    if step is not None:
        return await store.spend_step(tx, row.id, step)
    if not await store.spend_recovery_code(tx, row.id, rules.digest(folded)):
        return False
    left = await store.count_recovery_codes(tx, row.id)
    await record_everywhere(tx, store.account_of(row), "account.recovery_code_used", {"left": left})
    return True


async def _still_good(tx: Tx, checked: Checked) -> Row | None:
    """Return the account, if the password shown is its own still and it may sign in."""
    attempt = checked.attempt
    if not checked.matched or attempt.account_id is None:
        return None
    row = await store.find(tx, attempt.account_id, lock=True)
    if row is None or row.disabled_at is not None or row.password != attempt.stored:
        return None
    return row


async def check_password(tx: Tx, session: Session, checked: Checked) -> bool:
    """Whether somebody signed in showed the account's own password; if not, that is counted.

    Raises:
        DomainError: ``sign_in_paused``.

    """
    tally = await _tally(tx, session.account.email, checked.attempt.origin)
    row = await _still_good(tx, checked)
    if row is None or row.id != session.account.id or tally.is_paused(tx):
        await tally.count(tx, session.account.id)
        return False
    await tally.forgive(tx)
    return True


async def begin_check(tx: Tx, session: Session, origin: Origin) -> Attempt:
    """Look up what somebody signed in is to show the password of, before a change that matters."""
    return await begin_sign_in(tx, session.account.email, origin)


# --- counting wrong answers


@dataclass(frozen=True)
class _Tally:
    """What was counted before, for the e-mail address and for the network's."""

    email_subject: str
    address_subject: str
    of_email: Failures
    of_address: Failures

    def is_paused(self, tx: Tx) -> bool:
        """Whether the account, or what would be one, has a pause."""
        until = self.of_email.paused_until
        return until is not None and until > tx.now

    async def count(self, tx: Tx, account_id: str | None) -> None:
        """Count a wrong answer. In a pause only for the network: guessing on lengthens none."""
        await self._put(tx, self.address_subject, self.of_address, rules.FREE_FOR_ADDRESS)
        if self.is_paused(tx):
            return
        paused = await self._put(tx, self.email_subject, self.of_email, rules.FREE_FOR_EMAIL)
        row = None if account_id is None or not paused else await store.find(tx, account_id)
        if row is not None:
            details = {"wrong_answers": self.of_email.count + 1}
            await record_everywhere(
                tx, store.account_of(row), "account.sign_in_paused", details, actor="system:sign-in"
            )

    async def _put(self, tx: Tx, subject: str, before: Failures, free: int) -> bool:
        pause = rules.pause_after(before.count + 1, free=free)
        until = tx.now + pause if pause else None
        await session_store.put_failures(tx, subject, before.count + 1, until)
        return until is not None

    async def forgive(self, tx: Tx) -> None:
        """Forget the account's; the network's stay, or an own account would clear them."""
        await session_store.forget_failures(tx, self.email_subject)


async def _tally(tx: Tx, email: str, origin: Origin) -> _Tally:
    by_email, by_address = rules.email_subject(email), rules.address_subject(origin.address)
    counted = await session_store.lock_failures(tx, (by_email, by_address))
    none = Failures(0, None)
    _check_not_paused(tx, counted.get(by_address, none))
    return _Tally(by_email, by_address, counted.get(by_email, none), counted.get(by_address, none))


def _check_not_paused(tx: Tx, counted: Failures) -> None:
    if counted.paused_until is not None and counted.paused_until > tx.now:
        left = (counted.paused_until - tx.now).total_seconds()
        raise rules.paused(max(1, math.ceil(left)))


# --- sessions


async def open_session(
    tx: Tx, account: Account, origin: Origin, *, workspace_id: str | None = None
) -> NewSession:
    """Sign an account in, for capabilities' own use and for those who showed who they are.

    Raises:
        DomainError: ``no_workspace``.

    """
    roles = await store.roles_of(tx, account.id)
    if not roles:
        raise DomainError(
            Kind.FORBIDDEN,
            "no_workspace",
            "this account is a member of no workspace; ask an owner for an invitation",
        )
    at = workspace_id if workspace_id in roles else next(iter(roles))
    text = rules.new_text(rules.SESSION_PREFIX)
    session = Session(
        id=new_id("ses_"),
        account=account,
        workspace_id=at,
        live=True,
        role=roles[at],
        csrf=rules.csrf_of(text),
        created_at=tx.now,
        last_used_at=tx.now,
        address=origin.address,
        agent=rules.shown_agent(origin.agent),
    )
    await session_store.insert(tx, session, rules.digest(text))
    details = {"session_id": session.id, "address": origin.address}
    await audit.record(tx, session.caller, "account.signed_in", account.id, details)
    return NewSession(session, text)


async def find_session(tx: Tx, text: str) -> Session | None:
    """Return the session of a cookie; None when it is over or was none.

    It is read from the database each time, so what another server ended is over at once here, and
    a role that was changed holds with the next request.
    """
    if len(text) > _LONGEST_TEXT or not text.startswith(f"{rules.SESSION_PREFIX}_"):
        return None
    return await session_store.find(tx, text)


async def note_use(tx: Tx, session: Session) -> None:
    """Write down that a session was used, when ``session.is_to_note`` says it is time."""
    await session_store.note_use(tx, session.id)


async def end_session(tx: Tx, session: Session, session_id: str | None = None) -> None:
    """End this session, or another of the same account. Raises DomainError ``not_found``."""
    ended = session_id or session.id
    if not await session_store.delete(tx, session.account.id, session_id=ended):
        raise not_found("session")
    action = "account.signed_out" if ended == session.id else "account.session_ended"
    await audit.record(tx, session.caller, action, session.account.id, {"session_id": ended})


async def end_all(tx: Tx, session: Session, *, but_this: bool = False) -> int:
    """End all sessions of the account, or all but this one; return how many."""
    kept = session.id if but_this else None
    count = await session_store.delete(tx, session.account.id, but=kept)
    if count:
        details = {"count": count}
        await record_everywhere(tx, session.account, "account.sessions_ended", details)
    return count


async def list_sessions(tx: Tx, session: Session) -> Sequence[Session]:
    """List the account's own sessions, last used first."""
    return await session_store.list_of(tx, session.account.id)


async def switch(
    tx: Tx, session: Session, *, workspace_id: str | None = None, live: bool | None = None
) -> None:
    """Go on in another workspace or mode. Raises DomainError ``not_found`` unless a member."""
    wanted = workspace_id or session.workspace_id
    if wanted not in await store.roles_of(tx, session.account.id):
        raise not_found("workspace")
    mode = session.live if live is None else live
    await session_store.move(tx, session.id, wanted, live=mode)


async def places(tx: Tx, account: Account) -> list[Place]:
    """Return the workspaces that an account is a member of, by name."""
    roles = await store.roles_of(tx, account.id)
    found = [(await workspaces.get(tx, workspace_id), role) for workspace_id, role in roles.items()]
    shown = [Place(one.id, one.slug, one.name, role) for one, role in found]
    return sorted(shown, key=lambda place: (place.name.lower(), place.slug))


# --- what spans workspaces


async def record_everywhere(
    tx: Tx,
    account: Account,
    action: str,
    details: Mapping[str, object] | None = None,
    *,
    actor: str | None = None,
) -> None:
    """Write a change of an account into the audit of each workspace it is a member of."""
    for workspace_id in await store.roles_of(tx, account.id):
        caller = Caller(workspace_id, live=True, actor=actor or account.actor)
        await audit.record(tx, caller, action, account.id, details)
