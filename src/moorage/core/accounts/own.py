"""What people change about their own account: name, password, second factor.

What would let somebody in, or keep somebody out, needs the password shown anew: a session left open
is not enough. ``None`` or ``False`` means it was wrong and was counted: the transaction is to
commit, and the answer is
``password_wrong()``.
"""

from collections.abc import Sequence

from moorage.core.accounts import rules, session_store, store
from moorage.core.accounts.model import Account, Enrolment, Session
from moorage.core.accounts.passwords import Checked
from moorage.core.accounts.signing_in import check_password, end_all, record_everywhere
from moorage.core.errors import DomainError, Kind, not_found
from moorage.storage import Row, Tx

_ISSUER = "Moorage"


async def rename(tx: Tx, session: Session, name: str) -> None:
    """Change the name that others read. Raises DomainError ``invalid``."""
    checked = rules.check_name(name)
    await store.update(tx, session.account.id, {"name": checked})
    await record_everywhere(tx, session.account, "account.renamed", {"name": checked})


async def change_password(tx: Tx, session: Session, checked: Checked | None, hashed: str) -> bool:
    """Set a new password and end all other sessions.

    ``checked`` is the present one as it was shown; None only where there is none yet.
    """
    if not await show_password(tx, session, checked):
        return False
    await store.update(tx, session.account.id, {"password": hashed})
    await store.delete_links_of(tx, session.account.id)
    await record_everywhere(tx, session.account, "account.password_changed")
    await end_all(tx, session, but_this=True)
    return True


async def show_password(tx: Tx, session: Session, checked: Checked | None) -> bool:
    """Whether the password was shown that a change needs, or the account has none.

    Raises:
        DomainError: ``password_required``; ``sign_in_paused``.

    """
    if checked is not None:
        return await check_password(tx, session, checked)
    if (await _own(tx, session)).password is None:
        return True
    raise DomainError(
        Kind.FORBIDDEN, "password_required", "show the present password to change this"
    )


async def begin_totp(tx: Tx, session: Session, checked: Checked | None) -> Enrolment | None:
    """Offer a second factor. The one in force, if any, stays so until this one is confirmed."""
    if not await show_password(tx, session, checked):
        return None
    secret = rules.new_totp_secret()
    await store.update(tx, session.account.id, {"totp_offered": tx.vault.seal(secret)})
    return _enrolment(secret, session.account)


async def offered_totp(tx: Tx, session: Session) -> Enrolment | None:
    """Return the second factor that was offered and not confirmed, to be shown again."""
    row = await _own(tx, session)
    if row.totp_offered is None:
        return None
    return _enrolment(tx.vault.open(row.totp_offered), session.account)


def _enrolment(secret: str, account: Account) -> Enrolment:
    return Enrolment(secret, rules.totp_uri(secret, email=account.email, issuer=_ISSUER))


async def confirm_totp(tx: Tx, session: Session, code: str) -> list[str]:
    """Put the offered second factor in force, by a code of it; return the recovery codes.

    They are shown this once. All other sessions end.

    Raises:
        DomainError: ``invalid`` for a wrong code; ``conflict`` when none was offered.

    """
    row = await _own(tx, session)
    if row.totp_offered is None:
        raise DomainError(
            Kind.CONFLICT, "totp_not_begun", "no second factor is being set up; begin anew"
        )
    secret = tx.vault.open(row.totp_offered)
    step = rules.matching_step(secret, rules.fold_code(code), tx.now, after=None)
    if step is None:
        raise rules.code_wrong()
    values = {"totp": row.totp_offered, "totp_offered": None, "totp_step": step}
    await store.update(tx, row.id, values)
    await record_everywhere(tx, session.account, "account.totp_set_up")
    await end_all(tx, session, but_this=True)
    return await _put_recovery_codes(tx, row.id)


async def remove_totp(tx: Tx, session: Session, checked: Checked | None) -> bool:
    """Go without a second factor from now on."""
    if not await show_password(tx, session, checked):
        return False
    await _clear_totp(tx, session.account.id)
    await record_everywhere(tx, session.account, "account.totp_removed")
    return True


async def renew_recovery_codes(
    tx: Tx, session: Session, checked: Checked | None
) -> list[str] | None:
    """Make new recovery codes, shown this once; those before are void.

    Raises:
        DomainError: ``conflict`` without a second factor.

    """
    if not await show_password(tx, session, checked):
        return None
    if (await _own(tx, session)).totp is None:
        raise DomainError(
            Kind.CONFLICT, "totp_not_set_up", "recovery codes go with a second factor; set one up"
        )
    await record_everywhere(tx, session.account, "account.recovery_codes_renewed")
    return await _put_recovery_codes(tx, session.account.id)


async def count_recovery_codes(tx: Tx, session: Session) -> int:
    """Count the recovery codes that were not used."""
    return await store.count_recovery_codes(tx, session.account.id)


async def remove_totp_of(tx: Tx, email: str, *, actor: str) -> None:
    """Take an account's second factor away, for whoever runs the server (phone and codes lost).

    Raises:
        DomainError: ``not_found``.

    """
    account = await get_by_email(tx, email)
    await _clear_totp(tx, account.id)
    await record_everywhere(tx, account, "account.totp_removed", actor=actor)


async def get_by_email(tx: Tx, email: str) -> Account:
    """Return an account, for whoever runs the server. Raises DomainError ``not_found``."""
    row = await store.find_by_email(tx, rules.fold_email(email))
    if row is None:
        raise not_found("account")
    return store.account_of(row)


async def list_all(tx: Tx, *, after: str, limit: int) -> Sequence[Account]:
    """Walk all accounts in the order of their addresses, for whoever runs the server."""
    return await store.list_after(tx, after, limit)


async def set_disabled(tx: Tx, email: str, *, disabled: bool, actor: str) -> Account:
    """End all sessions of an account and let it have no new ones, or let it again.

    For whoever runs the server.

    Raises:
        DomainError: ``not_found``.

    """
    account = await get_by_email(tx, email)
    at = (account.disabled_at or tx.now) if disabled else None
    await store.update(tx, account.id, {"disabled_at": at})
    action = "account.disabled" if disabled else "account.enabled"
    await record_everywhere(tx, account, action, actor=actor)
    if disabled:
        await store.delete_links_of(tx, account.id)
        await session_store.delete(tx, account.id)
    return await get_by_email(tx, email)


async def _own(tx: Tx, session: Session) -> Row:
    row = await store.find(tx, session.account.id, lock=True)
    if row is None:
        raise not_found("account")
    return row


async def _clear_totp(tx: Tx, account_id: str) -> None:
    values = {"totp": None, "totp_offered": None, "totp_step": None}
    await store.update(tx, account_id, values)
    await store.put_recovery_codes(tx, account_id, ())


async def _put_recovery_codes(tx: Tx, account_id: str) -> list[str]:
    codes = [rules.new_recovery_code() for _ in range(rules.RECOVERY_CODES)]
    digests = [rules.digest(rules.fold_code(code)) for code in codes]
    await store.put_recovery_codes(tx, account_id, digests)
    return codes
