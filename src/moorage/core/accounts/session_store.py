"""Every statement on sessions and on wrong answers; private."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from moorage.core.accounts import rules
from moorage.core.accounts.model import SESSION_IDLE, SESSION_LONGEST, Role, Session
from moorage.core.accounts.store import account_of
from moorage.core.accounts.tables import accounts, failures, members, sessions
from moorage.storage import Millis, Prepared, Row, Tx

_WITH_ACCOUNT = (
    sa.select(
        accounts,
        sessions.c.id.label("session_id"),
        sessions.c.workspace_id,
        sessions.c.live,
        sessions.c.created_at.label("began_at"),
        sessions.c.last_used_at,
        sessions.c.address,
        sessions.c.agent,
        members.c.role,
    )
    .join(accounts, accounts.c.id == sessions.c.account_id)
    .join(
        members,
        sa.and_(
            members.c.account_id == sessions.c.account_id,
            members.c.workspace_id == sessions.c.workspace_id,
        ),
    )
    .where(
        accounts.c.disabled_at.is_(None),
        sessions.c.last_used_at > sa.bindparam("_used_after", type_=Millis),
        sessions.c.created_at > sa.bindparam("_made_after", type_=Millis),
    )
)
# Each page of the console asks this.
_FIND = Prepared(lambda _: _WITH_ACCOUNT.where(sessions.c.digest == sa.bindparam("_digest")))


def _session(row: Row, csrf: str = "") -> Session:
    return Session(
        id=row.session_id,
        account=account_of(row),
        workspace_id=row.workspace_id,
        live=row.live,
        role=Role(row.role),
        csrf=csrf,
        created_at=row.began_at,
        last_used_at=row.last_used_at,
        address=row.address,
        agent=row.agent,
    )


def _bounds(now: datetime) -> dict[str, datetime]:
    return {"_used_after": now - SESSION_IDLE, "_made_after": now - SESSION_LONGEST}


async def insert(tx: Tx, session: Session, digest: str) -> None:
    """Insert."""
    values = {
        "id": session.id,
        "digest": digest,
        "account_id": session.account.id,
        "workspace_id": session.workspace_id,
        "live": session.live,
        "created_at": session.created_at,
        "last_used_at": session.last_used_at,
        "address": session.address,
        "agent": session.agent,
    }
    await tx.run(sa.insert(sessions), values)


async def find(tx: Tx, text: str) -> Session | None:
    """By its text, if it can be used: neither over nor of somebody who may no more."""
    rows = await tx.rows_of(_FIND, {"_digest": rules.digest(text), **_bounds(tx.now)})
    return _session(rows[0], rules.csrf_of(text)) if rows else None


async def list_of(tx: Tx, account_id: str) -> Sequence[Session]:
    """Sessions of an account that can be used, last used first; none tells its ``csrf``."""
    rows = await tx.rows(
        _WITH_ACCOUNT.where(sessions.c.account_id == account_id).order_by(
            sessions.c.last_used_at.desc(), sessions.c.id
        ),
        _bounds(tx.now),
    )
    return [_session(row) for row in rows]


async def note_use(tx: Tx, session_id: str) -> None:
    """Write down that it was used now."""
    one = sa.update(sessions).where(sessions.c.id == session_id)
    await tx.run(one.values(last_used_at=tx.now))


async def move(tx: Tx, session_id: str, workspace_id: str, *, live: bool) -> None:
    """Set where it is at work."""
    one = sa.update(sessions).where(sessions.c.id == session_id)
    await tx.run(one.values(workspace_id=workspace_id, live=live))


async def delete(
    tx: Tx,
    account_id: str,
    *,
    session_id: str | None = None,
    but: str | None = None,
    workspace_id: str | None = None,
) -> int:
    """Delete an account's sessions: one, all ``but`` one, those in a workspace, or all."""
    which = [sessions.c.account_id == account_id]
    if session_id is not None:
        which.append(sessions.c.id == session_id)
    if but is not None:
        which.append(sessions.c.id != but)
    if workspace_id is not None:
        which.append(sessions.c.workspace_id == workspace_id)
    return await tx.run(sa.delete(sessions).where(*which))


async def delete_all(tx: Tx) -> int:
    """Delete every session."""
    return await tx.run(sa.delete(sessions))


async def delete_over(tx: Tx, rows: int) -> int:
    """Delete up to ``rows`` sessions that are over."""
    bounds = _bounds(tx.now)
    over = sa.or_(
        sessions.c.last_used_at <= bounds["_used_after"],
        sessions.c.created_at <= bounds["_made_after"],
    )
    old = sa.select(sessions.c.id).where(over).limit(rows)
    return await tx.run(sa.delete(sessions).where(sessions.c.id.in_(old)))


# --- wrong answers


@dataclass(frozen=True)
class Failures:
    """Wrong answers counted under a subject, those forgotten by now left out."""

    count: int
    paused_until: datetime | None


async def lock_failures(tx: Tx, subjects: Sequence[str]) -> dict[str, Failures]:
    """Return what is counted under each subject, kept as it is until the transaction ends.

    Rows are made where there are none, so that guesses made all at once are counted one by one.
    """
    ordered = sorted(subjects)
    for subject in ordered:
        fresh = {"subject": subject, "wrong_answers": 0, "last_at": tx.now}
        await tx.run(tx.engine.insert(failures).on_conflict_do_nothing(), fresh)
    rows = await tx.rows(
        sa.select(failures)
        .where(failures.c.subject.in_(ordered))
        .order_by(failures.c.subject)
        .with_for_update()
    )
    return {row.subject: _failures(row, tx.now) for row in rows}


async def find_failures(tx: Tx, subject: str) -> Failures:
    """Return what is counted under a subject."""
    row = await tx.row(sa.select(failures).where(failures.c.subject == subject))
    return Failures(0, None) if row is None else _failures(row, tx.now)


def _failures(row: Row, now: datetime) -> Failures:
    if row.last_at <= now - rules.FORGOTTEN_AFTER:
        return Failures(0, None)
    return Failures(row.wrong_answers, row.paused_until)


async def put_failures(tx: Tx, subject: str, count: int, paused_until: datetime | None) -> None:
    """Write down how many there are."""
    values = {"wrong_answers": count, "last_at": tx.now, "paused_until": paused_until}
    put = tx.engine.insert(failures).values(subject=subject, **values)
    await tx.run(put.on_conflict_do_update(index_elements=["subject"], set_=values))


async def forget_failures(tx: Tx, subject: str) -> None:
    """Forget what is counted under a subject."""
    await tx.run(sa.delete(failures).where(failures.c.subject == subject))


async def delete_old_failures(tx: Tx, rows: int) -> int:
    """Delete up to ``rows`` counts that are forgotten by now."""
    old = (
        sa.select(failures.c.subject)
        .where(failures.c.last_at <= tx.now - rules.FORGOTTEN_AFTER)
        .limit(rows)
    )
    return await tx.run(sa.delete(failures).where(failures.c.subject.in_(old)))
