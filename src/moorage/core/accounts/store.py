"""Every statement on accounts, members and links; private."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from moorage.core.accounts.model import Account, Link, LinkKind, Member, Role
from moorage.core.accounts.tables import accounts, identities, links, members, recovery_codes
from moorage.storage import Row, Tx


def account_of(row: Row) -> Account:
    """Read an account out of a row that has its columns."""
    return Account(
        id=row.id,
        email=row.email,
        name=row.name,
        created_at=row.created_at,
        disabled_at=row.disabled_at,
        has_password=row.password is not None,
        has_totp=row.totp is not None,
    )


# --- accounts


async def insert(tx: Tx, account: Account, password: str | None) -> None:
    """Insert. Raises UniqueViolation when the address is taken."""
    values = {
        "id": account.id,
        "email": account.email,
        "name": account.name,
        "password": password,
        "created_at": account.created_at,
    }
    await tx.run(sa.insert(accounts), values)


async def find(tx: Tx, account_id: str, *, lock: bool = False) -> Row | None:
    """By id, with its secrets."""
    chosen = sa.select(accounts).where(accounts.c.id == account_id)
    return await tx.row(chosen.with_for_update() if lock else chosen)


async def find_by_email(tx: Tx, email: str) -> Row | None:
    """By address, with its secrets."""
    return await tx.row(sa.select(accounts).where(accounts.c.email == email))


async def is_any(tx: Tx) -> bool:
    """Whether there is an account at all."""
    return await tx.row(sa.select(accounts.c.id).limit(1)) is not None


async def list_after(tx: Tx, after: str, limit: int) -> Sequence[Account]:
    """Walk all accounts in the order of their addresses."""
    rows = await tx.rows(
        sa.select(accounts).where(accounts.c.email > after).order_by(accounts.c.email).limit(limit)
    )
    return [account_of(row) for row in rows]


async def update(tx: Tx, account_id: str, values: Mapping[str, Any]) -> None:
    """Change columns of an account."""
    await tx.run(sa.update(accounts).where(accounts.c.id == account_id).values(**values))


async def delete(tx: Tx, account_id: str) -> None:
    """Delete an account and all that hangs on it."""
    await tx.run(sa.delete(accounts).where(accounts.c.id == account_id))


async def spend_step(tx: Tx, account_id: str, step: int) -> bool:
    """Note the 30 seconds a code was taken of; False when that or a later one was before."""
    later = sa.or_(accounts.c.totp_step.is_(None), accounts.c.totp_step < step)
    spent = sa.update(accounts).where(accounts.c.id == account_id, later).values(totp_step=step)
    return await tx.run(spent) == 1


async def put_recovery_codes(tx: Tx, account_id: str, digests: Sequence[str]) -> None:
    """Replace the recovery codes."""
    await tx.run(sa.delete(recovery_codes).where(recovery_codes.c.account_id == account_id))
    if digests:
        rows = [{"account_id": account_id, "digest": digest} for digest in digests]
        await tx.run(sa.insert(recovery_codes), rows)


async def spend_recovery_code(tx: Tx, account_id: str, digest: str) -> bool:
    """Use a recovery code up; False when there is none such."""
    one = sa.and_(recovery_codes.c.account_id == account_id, recovery_codes.c.digest == digest)
    return await tx.run(sa.delete(recovery_codes).where(one)) == 1


async def count_recovery_codes(tx: Tx, account_id: str) -> int:
    """How many are left."""
    row = await tx.row(
        sa.select(sa.func.count().label("n")).where(recovery_codes.c.account_id == account_id)
    )
    return row.n if row else 0


# --- members


async def put_member(
    tx: Tx, workspace_id: str, account_id: str, role: Role, *, replace: bool = True
) -> bool:
    """Make an account a member; whoever is one already gets the role, if told to replace it."""
    values = {
        "workspace_id": workspace_id,
        "account_id": account_id,
        "role": str(role),
        "since": tx.now,
    }
    put = tx.engine.insert(members)
    if replace:
        put = put.on_conflict_do_update(
            index_elements=["workspace_id", "account_id"], set_={"role": str(role)}
        )
    else:
        put = put.on_conflict_do_nothing()
    return await tx.run(put, values) == 1


async def delete_member(tx: Tx, workspace_id: str, account_id: str) -> int:
    """End a membership."""
    one = sa.and_(members.c.workspace_id == workspace_id, members.c.account_id == account_id)
    return await tx.run(sa.delete(members).where(one))


async def find_member(tx: Tx, workspace_id: str, account_id: str) -> Member | None:
    """One member of a workspace."""
    found = await list_members(tx, workspace_id, account_id=account_id)
    return found[0] if found else None


async def list_members(
    tx: Tx, workspace_id: str, *, account_id: str | None = None
) -> Sequence[Member]:
    """Members of a workspace, by address."""
    chosen = (
        sa.select(accounts, members.c.role, members.c.since)
        .join(members, members.c.account_id == accounts.c.id)
        .where(members.c.workspace_id == workspace_id)
        .order_by(accounts.c.email)
    )
    if account_id is not None:
        chosen = chosen.where(accounts.c.id == account_id)
    return [Member(account_of(row), Role(row.role), row.since) for row in await tx.rows(chosen)]


async def lock_owners(tx: Tx, workspace_id: str) -> Sequence[str]:
    """Ids of the owners who can sign in, kept as they are until the transaction ends."""
    # The memberships are locked, the accounts are not: two owners who take the role from each
    # other meet here, and the second sees what the first left.
    rows = await tx.rows(
        sa.select(members.c.account_id)
        .join(accounts, accounts.c.id == members.c.account_id)
        .where(
            members.c.workspace_id == workspace_id,
            members.c.role == str(Role.OWNER),
            accounts.c.disabled_at.is_(None),
        )
        .order_by(members.c.account_id)
        .with_for_update(of=members)
    )
    return [row.account_id for row in rows]


async def roles_of(tx: Tx, account_id: str) -> dict[str, Role]:
    """Roles of an account by the id of the workspace, oldest membership first."""
    rows = await tx.rows(
        sa.select(members.c.workspace_id, members.c.role)
        .where(members.c.account_id == account_id)
        .order_by(members.c.since, members.c.workspace_id)
    )
    return {row.workspace_id: Role(row.role) for row in rows}


# --- links


def link_of(row: Row) -> Link:
    """Read a link out of its row."""
    return Link(
        id=row.id,
        kind=LinkKind(row.kind),
        workspace_id=row.workspace_id,
        account_id=row.account_id,
        email=row.email,
        role=None if row.role is None else Role(row.role),
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
    )


async def insert_link(tx: Tx, link: Link, digest: str) -> None:
    """Insert."""
    values = {
        "id": link.id,
        "digest": digest,
        "kind": str(link.kind),
        "workspace_id": link.workspace_id,
        "account_id": link.account_id,
        "email": link.email,
        "role": None if link.role is None else str(link.role),
        "created_at": link.created_at,
        "created_by": link.created_by,
        "expires_at": link.expires_at,
    }
    await tx.run(sa.insert(links), values)


async def find_link(tx: Tx, digest: str) -> Link | None:
    """By digest, unless it expired."""
    row = await tx.row(
        sa.select(links).where(links.c.digest == digest, links.c.expires_at > tx.now)
    )
    return row and link_of(row)


async def spend_link(tx: Tx, digest: str) -> bool:
    """Use a link up; of two at once only one gets True."""
    one = sa.and_(links.c.digest == digest, links.c.expires_at > tx.now)
    return await tx.run(sa.delete(links).where(one)) == 1


async def list_invites(tx: Tx, workspace_id: str) -> Sequence[Link]:
    """Invites into a workspace that can still be used, newest first."""
    rows = await tx.rows(
        sa.select(links)
        .where(
            links.c.workspace_id == workspace_id,
            links.c.kind == str(LinkKind.INVITE),
            links.c.expires_at > tx.now,
        )
        .order_by(links.c.id.desc())
    )
    return [link_of(row) for row in rows]


async def delete_invites(
    tx: Tx,
    workspace_id: str,
    *,
    link_id: str | None = None,
    email: str | None = None,
    created_by: str | None = None,
) -> int:
    """Delete an invite by its id, or all to an address, or by somebody."""
    which = [links.c.workspace_id == workspace_id, links.c.kind == str(LinkKind.INVITE)]
    if link_id is not None:
        which.append(links.c.id == link_id)
    if email is not None:
        which.append(links.c.email == email)
    if created_by is not None:
        which.append(links.c.created_by == created_by)
    return await tx.run(sa.delete(links).where(*which))


async def delete_links_of(tx: Tx, account_id: str) -> None:
    """Delete what was handed out for an account: links to set it back, second steps."""
    await tx.run(sa.delete(links).where(links.c.account_id == account_id))


async def delete_links(tx: Tx, kind: LinkKind | None = None) -> int:
    """Delete all links, or all of a kind."""
    every = sa.delete(links)
    return await tx.run(every if kind is None else every.where(links.c.kind == str(kind)))


async def delete_expired_links(tx: Tx, rows: int) -> int:
    """Delete up to ``rows`` links that can no longer be used."""
    old = sa.select(links.c.id).where(links.c.expires_at <= tx.now).limit(rows)
    return await tx.run(sa.delete(links).where(links.c.id.in_(old)))


async def delete_all_recovery_codes(tx: Tx) -> int:
    """Delete every account's recovery codes."""
    return await tx.run(sa.delete(recovery_codes))


# --- identities elsewhere


async def find_identity(tx: Tx, issuer: str, subject: str) -> str | None:
    """Id of the account that a provider knows by a name."""
    row = await tx.row(
        sa.select(identities.c.account_id).where(
            identities.c.issuer == issuer, identities.c.subject == subject
        )
    )
    return row.account_id if row else None


async def insert_identity(tx: Tx, issuer: str, subject: str, account_id: str) -> bool:
    """Link; False when the provider's name is linked already."""
    values = {
        "issuer": issuer,
        "subject": subject,
        "account_id": account_id,
        "linked_at": tx.now,
    }
    put = tx.engine.insert(identities).on_conflict_do_nothing()
    return await tx.run(put, values) == 1


async def delete_identities(tx: Tx, account_id: str, issuer: str) -> int:
    """Unlink an account from a provider."""
    one = sa.and_(identities.c.account_id == account_id, identities.c.issuer == issuer)
    return await tx.run(sa.delete(identities).where(one))


async def issuers_of(tx: Tx, account_id: str) -> dict[str, datetime]:
    """Providers an account is linked to, and since when."""
    rows = await tx.rows(
        sa.select(identities.c.issuer, identities.c.linked_at).where(
            identities.c.account_id == account_id
        )
    )
    return {row.issuer: row.linked_at for row in rows}
