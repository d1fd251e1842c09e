"""Links that let somebody in once: the first set-up, invitations, a new password.

Only their digests are kept. A link is spent in the transaction that does what it is for, so that of
two who use it at once one gets through.
"""

from collections.abc import Sequence

from moorage.core import audit, workspaces
from moorage.core.accounts import own, rules, session_store, store
from moorage.core.accounts.model import (
    Account,
    Link,
    LinkKind,
    NewLink,
    NewSession,
    Origin,
    Role,
    Session,
)
from moorage.core.accounts.signing_in import open_session, record_everywhere
from moorage.core.caller import Caller, Scope
from moorage.core.errors import DomainError, Kind, invalid, not_found
from moorage.kit.ids import new_id
from moorage.storage import Tx, UniqueViolation

_LONGEST_TEXT = 128
_MOST_INVITES = 500
_SERVER = "system:server"


# --- the first set-up


async def is_set_up(tx: Tx) -> bool:
    """Whether there is an account."""
    return await store.is_any(tx)


async def set_up_link(tx: Tx) -> NewLink | None:
    """Make the link of a first start; None when there is an account already.

    Earlier ones stay good, because each of several servers makes one; all go with the first used.
    """
    if await store.is_any(tx):
        return None
    return await new_set_up_link(tx)


async def new_set_up_link(tx: Tx, workspace_id: str | None = None) -> NewLink:
    """Make a link that makes its user an owner, for whoever runs the server.

    ``workspace_id`` is of which workspace; without it whoever uses the link names one.
    """
    role = Role.OWNER
    return await _make(tx, LinkKind.SET_UP, _SERVER, workspace_id=workspace_id, role=role)


async def suggested_workspace(tx: Tx, link: Link) -> str | None:
    """Return the slug of the workspace that a set-up link is for, or can only be for."""
    if link.workspace_id is not None:
        return (await workspaces.get(tx, link.workspace_id)).slug
    slugs = await workspaces.list_slugs(tx)
    return slugs[0] if len(slugs) == 1 else None


async def redeem_set_up(  # noqa: PLR0913 - what a first account consists of
    tx: Tx,
    text: str,
    *,
    email: str,
    name: str,
    hashed: str,
    origin: Origin,
    workspace: str | None = None,
) -> NewSession:
    """Make an account that owns a workspace, and sign it in.

    ``workspace`` is the slug of one that is there or is to be made; unless the link has one, or
    there is but one.

    Raises:
        DomainError: ``link_invalid``; ``invalid``; ``conflict`` for an address with an account.

    """
    link = await _spend(tx, text, LinkKind.SET_UP)
    if link.workspace_id is None:
        slug = workspace or await suggested_workspace(tx, link)
        if slug is None:
            raise invalid("/workspace", "name the workspace that is to be made or owned")
        at = (await workspaces.ensure(tx, slug)).id
    else:
        at = link.workspace_id
    account = await new_account(tx, email, name, hashed)
    await store.put_member(tx, at, account.id, Role.OWNER)
    await store.delete_links(tx, LinkKind.SET_UP)
    actor = Caller(at, live=True, actor=account.actor)
    await audit.record(tx, actor, "account.set_up", account.id, {"email": account.email})
    return await open_session(tx, account, origin, workspace_id=at)


# --- invitations


async def invite(tx: Tx, caller: Caller, email: str, role: str) -> NewLink:
    """Make a link with which somebody joins the workspace (``workspace:admin``).

    An earlier one to the same address is void.

    Raises:
        DomainError: ``invalid``; ``conflict`` for somebody who is a member, or too many invites.

    """
    caller.require(Scope.WORKSPACE_ADMIN)
    address, wanted = rules.check_email(email), rules.parse_role(role)
    row = await store.find_by_email(tx, address)
    if row is not None and await store.find_member(tx, caller.workspace_id, row.id) is not None:
        raise DomainError(
            Kind.CONFLICT, "already_member", "this person is a member already; change the role"
        )
    await store.delete_invites(tx, caller.workspace_id, email=address)
    if len(await store.list_invites(tx, caller.workspace_id)) >= _MOST_INVITES:
        raise DomainError(
            Kind.CONFLICT,
            "invites_full",
            f"{_MOST_INVITES} invitations wait to be accepted; take some back",
        )
    made = await _make(
        tx,
        LinkKind.INVITE,
        caller.actor,
        workspace_id=caller.workspace_id,
        email=address,
        role=wanted,
    )
    details = {"email": address, "role": str(wanted)}
    await audit.record(tx, caller, "account.invited", made.link.id, details)
    return made


async def list_invites(tx: Tx, caller: Caller) -> Sequence[Link]:
    """List the invitations that wait to be accepted, newest first (``workspace:admin``)."""
    caller.require(Scope.WORKSPACE_ADMIN)
    return await store.list_invites(tx, caller.workspace_id)


async def revoke_invite(tx: Tx, caller: Caller, link_id: str) -> None:
    """Take an invitation back (``workspace:admin``). Raises DomainError ``not_found``."""
    caller.require(Scope.WORKSPACE_ADMIN)
    if not await store.delete_invites(tx, caller.workspace_id, link_id=link_id):
        raise not_found("invitation")
    await audit.record(tx, caller, "account.invite_revoked", link_id)


async def redeem_invite(tx: Tx, text: str, *, name: str, hashed: str, origin: Origin) -> NewSession:
    """Make the account an invitation is for, as a member, and sign it in.

    Raises:
        DomainError: ``link_invalid``; ``invalid``; ``conflict`` for an address with an account,
            which signs in and then accepts.

    """
    link = await _spend(tx, text, LinkKind.INVITE)
    account = await new_account(tx, link.email or "", name, hashed)
    await _join(tx, link, account)
    return await open_session(tx, account, origin, workspace_id=link.workspace_id)


async def accept_invite(tx: Tx, session: Session, text: str) -> None:
    """Join the workspace of an invitation with the account signed in, and go on there.

    Raises:
        DomainError: ``link_invalid``; ``forbidden`` when it is for another address.

    """
    link = await _spend(tx, text, LinkKind.INVITE)
    if link.email != session.account.email:
        raise DomainError(
            Kind.FORBIDDEN,
            "invite_for_another",
            "this invitation is for another e-mail address; sign in with the account of that one",
        )
    await _join(tx, link, session.account)
    if link.workspace_id is not None:
        await session_store.move(tx, session.id, link.workspace_id, live=session.live)


async def _join(tx: Tx, link: Link, account: Account) -> None:
    if link.workspace_id is None or link.role is None:
        raise rules.link_invalid()
    # Who became a member meanwhile keeps that role: an old invitation takes nothing away.
    await store.put_member(tx, link.workspace_id, account.id, link.role, replace=False)
    joined = Caller(link.workspace_id, live=True, actor=account.actor)
    details = {"email": account.email, "role": str(link.role), "invited_by": link.created_by}
    await audit.record(tx, joined, "account.joined", account.id, details)


# --- a new password


async def reset_link(tx: Tx, email: str) -> NewLink:
    """Make a link to set an account's password anew, for whoever runs the server.

    Raises:
        DomainError: ``not_found``.

    """
    account = await own.get_by_email(tx, email)
    made = await _make(tx, LinkKind.RESET, _SERVER, account_id=account.id, email=account.email)
    await record_everywhere(tx, account, "account.reset_link_made", actor=_SERVER)
    return made


async def redeem_reset(tx: Tx, text: str, *, hashed: str) -> Account:
    """Set the password; all sessions and pauses end. Signing in, second factor included, follows.

    Raises:
        DomainError: ``link_invalid``.

    """
    link = await _spend(tx, text, LinkKind.RESET)
    row = None if link.account_id is None else await store.find(tx, link.account_id, lock=True)
    if row is None:
        raise rules.link_invalid()
    account = store.account_of(row)
    await store.update(tx, account.id, {"password": hashed})
    await store.delete_links_of(tx, account.id)
    await session_store.delete(tx, account.id)
    await session_store.forget_failures(tx, rules.email_subject(account.email))
    await record_everywhere(tx, account, "account.password_reset")
    return account


# --- what they share


async def find_link(tx: Tx, text: str, kind: LinkKind) -> Link | None:
    """Return the link of a text, not spending it; None when it is good for that no longer."""
    if len(text) > _LONGEST_TEXT or not text.startswith(f"{rules.LINK_PREFIX}_"):
        return None
    link = await store.find_link(tx, rules.digest(text))
    return None if link is None or link.kind is not kind else link


async def check_link(tx: Tx, text: str, kind: LinkKind) -> Link:
    """Return the link of a text, not spending it. Raises DomainError ``link_invalid``."""
    link = await find_link(tx, text, kind)
    if link is None:
        raise rules.link_invalid()
    return link


async def has_account(tx: Tx, link: Link) -> bool:
    """Whether the address a link is for has an account; for whoever holds the link."""
    return link.email is not None and await store.find_by_email(tx, link.email) is not None


async def void_all(tx: Tx) -> int:
    """End every session and void every single-use text; return how many there were.

    For a database that was set back: each of them may have been ended or used since.
    """
    ended = await session_store.delete_all(tx)
    return ended + await store.delete_links(tx) + await store.delete_all_recovery_codes(tx)


async def purge(tx: Tx, rows: int) -> int:
    """Delete up to ``rows`` sessions, links and counts that are over; return how many went."""
    gone = await session_store.delete_over(tx, rows)
    gone += await store.delete_expired_links(tx, max(rows - gone, 0))
    return gone + await session_store.delete_old_failures(tx, max(rows - gone, 0))


async def _spend(tx: Tx, text: str, kind: LinkKind) -> Link:
    link = await check_link(tx, text, kind)
    if not await store.spend_link(tx, rules.digest(text)):
        raise rules.link_invalid()
    return link


async def _make(  # noqa: PLR0913 - the parts of a link
    tx: Tx,
    kind: LinkKind,
    actor: str,
    *,
    workspace_id: str | None = None,
    account_id: str | None = None,
    email: str | None = None,
    role: Role | None = None,
) -> NewLink:
    text = rules.new_text(rules.LINK_PREFIX)
    link = Link(
        id=new_id("lnk_"),
        kind=kind,
        workspace_id=workspace_id,
        account_id=account_id,
        email=email,
        role=role,
        created_at=tx.now,
        created_by=actor,
        expires_at=tx.now + rules.VALID_FOR[kind],
    )
    await store.insert_link(tx, link, rules.digest(text))
    return NewLink(link, text)


async def new_account(tx: Tx, email: str, name: str, hashed: str | None) -> Account:
    """Make an account; without a password it is signed in to by a provider of identities."""
    account = Account(
        id=new_id("usr_"),
        email=rules.check_email(email),
        name=rules.check_name(name),
        created_at=tx.now,
        disabled_at=None,
        has_password=hashed is not None,
        has_totp=False,
    )
    try:
        await store.insert(tx, account, hashed)
    except UniqueViolation:
        raise DomainError(
            Kind.CONFLICT,
            "account_exists",
            "this e-mail address has an account already; sign in with it",
        ) from None
    return account
