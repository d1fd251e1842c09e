"""People whom a provider of identities vouches for: who they are here, and what they may.

The provider is whoever runs the server trusts to say who somebody is. How it is asked is an
adapter's business; what its word is worth is decided here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from moorage.core import audit, workspaces
from moorage.core.accounts import rules, store
from moorage.core.accounts.links import new_account
from moorage.core.accounts.model import Account, NewSession, Origin, Role, Session
from moorage.core.accounts.own import show_password
from moorage.core.accounts.passwords import Checked
from moorage.core.accounts.signing_in import open_session, record_everywhere
from moorage.core.caller import Caller
from moorage.core.errors import DomainError, Kind
from moorage.storage import Row, Tx

_RANKS = (Role.OWNER, Role.OPERATOR, Role.VIEWER)


@dataclass(frozen=True)
class Identity:
    """What a provider says of somebody. ``subject`` is its own name for them and never changes."""

    issuer: str
    subject: str
    email: str
    email_verified: bool
    name: str
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Pending:
    """A sign-in that was sent to the provider: what its answer is held against."""

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)


class IdentityProvider(Protocol):
    """Whom to ask who somebody is. ``title`` stands on the button, ``issuer`` is its name."""

    title: str
    issuer: str

    async def begin(self, redirect_uri: str) -> tuple[str, Pending]:
        """Return the address to send the browser to, and what to keep for its return.

        Raises:
            DomainError: ``unavailable`` when the provider does not answer.

        """
        ...

    async def finish(
        self, pending: Pending, redirect_uri: str, answer: Mapping[str, str]
    ) -> Identity:
        """Return who came back; ``answer`` is the query the provider sent the browser back with.

        Raises:
            DomainError: ``unauthenticated`` when the answer does not hold; ``unavailable``.

        """
        ...


@dataclass(frozen=True)
class Admission:
    """Whom the provider may let in, and as what.

    ``domains`` are those whose addresses the provider is believed in; with none, any verified
    address makes a new account, and none is taken for an account that is there already.
    ``role_claim`` names a claim whose values ``roles`` turns into roles, the highest of which
    counts, anew at each sign-in. ``default_role`` is for whom it gives none; None lets them not in.
    Without a claim it is what newcomers get, and roles are changed here.
    """

    workspace: str
    domains: frozenset[str] = frozenset()
    default_role: Role | None = None
    role_claim: str | None = None
    roles: Mapping[str, Role] = field(default_factory=dict)

    def role_of(self, identity: Identity) -> Role | None:
        """Return what the claims of somebody make them, or None."""
        granted = {self.roles[one] for one in self._values(identity) if one in self.roles}
        return next((role for role in _RANKS if role in granted), None)

    def _values(self, identity: Identity) -> Sequence[str]:
        found = identity.claims.get(self.role_claim) if self.role_claim else None
        values = found if isinstance(found, list) else [found]
        return [one for one in values if isinstance(one, str)]

    def has_domain(self, email: str) -> bool:
        """Whether an address is of a domain that the provider speaks for."""
        return email.rpartition("@")[2] in self.domains


async def sign_in_from_outside(
    tx: Tx, identity: Identity, admission: Admission, origin: Origin
) -> NewSession:
    """Sign in whom the provider vouches for: known, to be recognised by the address, or new.

    A second factor is the provider's to ask for.

    Raises:
        DomainError: ``identity_not_linked``, ``identity_not_admitted``, ``no_workspace``.

    """
    workspace = await workspaces.find_by_slug(tx, admission.workspace)
    account_id = await store.find_identity(tx, identity.issuer, identity.subject)
    if account_id is not None:
        account = _enabled(await store.find(tx, account_id))
    else:
        account = await _recognised(tx, identity, admission)
    if workspace is not None:
        await _follow_claims(tx, workspace.id, account, identity, admission)
    at = None if workspace is None else workspace.id
    return await open_session(tx, account, origin, workspace_id=at)


async def _recognised(tx: Tx, identity: Identity, admission: Admission) -> Account:
    email = rules.fold_email(identity.email)
    if not identity.email_verified:
        raise _not_admitted("the provider does not vouch for your e-mail address")
    row = await store.find_by_email(tx, email)
    if row is not None:
        if not admission.has_domain(email):
            raise DomainError(
                Kind.FORBIDDEN,
                "identity_not_linked",
                "there is an account of your e-mail address: sign in with its password, then "
                "connect it on the page of your account",
            )
        account = _enabled(row)
    else:
        account = await _newcomer(tx, identity, admission, email)
    await _link(tx, account, identity)
    return account


async def _newcomer(tx: Tx, identity: Identity, admission: Admission, email: str) -> Account:
    role = admission.role_of(identity) or admission.default_role
    if role is None or not _may_join(identity, admission):
        raise _not_admitted("nobody let you in here yet; ask an owner for an invitation")
    # Whoever runs the server named it; until it is there, there is nothing to be a member of.
    workspace = await workspaces.find_by_slug(tx, admission.workspace)
    if workspace is None:
        raise _not_admitted(f"the workspace {admission.workspace} is not there yet")
    shown = "".join(one for one in identity.name if one.isprintable()).strip()[:128]
    account = await new_account(tx, email, shown or email, None)
    await store.put_member(tx, workspace.id, account.id, role)
    caller = Caller(workspace.id, live=True, actor=account.actor)
    details = {"email": email, "role": str(role), "issuer": identity.issuer}
    await audit.record(tx, caller, "account.joined", account.id, details)
    return account


def _may_join(identity: Identity, admission: Admission) -> bool:
    """Whether an address is one that the provider may make a member by itself."""
    return not admission.domains or admission.has_domain(rules.fold_email(identity.email))


async def _follow_claims(
    tx: Tx, workspace_id: str, account: Account, identity: Identity, admission: Admission
) -> None:
    """Give the role that the claims say, as they say it now; the last owner stays one.

    Who is no member becomes one on the conditions of a newcomer only.
    """
    if admission.role_claim is None:
        return
    role = admission.role_of(identity) or admission.default_role
    if role is None:
        raise _not_admitted("the provider does not say that you may work here; ask an owner")
    member = await store.find_member(tx, workspace_id, account.id)
    if member is None and not (identity.email_verified and _may_join(identity, admission)):
        return  # connected by somebody of another workspace, where they go on
    if member is not None and member.role is role:
        return
    owners = await store.lock_owners(tx, workspace_id)
    if owners == [account.id]:
        return
    await store.put_member(tx, workspace_id, account.id, role)
    if member is not None and member.role is Role.OWNER:
        # Or an owner who is not to be one any more could come back as another.
        await store.delete_invites(tx, workspace_id, created_by=account.actor)
    caller = Caller(workspace_id, live=True, actor="system:identity-provider")
    details = {"email": account.email, "to": str(role), "issuer": identity.issuer}
    await audit.record(tx, caller, "account.role_changed", account.id, details)


async def link_identity(tx: Tx, session: Session, identity: Identity) -> None:
    """Let somebody signed in sign in by the provider as well, who showed the password for it.

    Raises:
        DomainError: ``conflict`` when the provider's somebody is linked to another account.

    """
    known = await store.find_identity(tx, identity.issuer, identity.subject)
    if known == session.account.id:
        return
    if known is not None:
        raise DomainError(
            Kind.CONFLICT,
            "identity_taken",
            "this sign-in is connected to another account already",
        )
    await _link(tx, session.account, identity)


async def unlink_identity(tx: Tx, session: Session, checked: Checked | None, issuer: str) -> bool:
    """End that; ``checked`` and the answer are as in ``change_password``.

    Raises:
        DomainError: ``conflict`` when there is no password to sign in with.

    """
    row = await store.find(tx, session.account.id, lock=True)
    if row is None or row.password is None:
        raise DomainError(
            Kind.CONFLICT,
            "password_missing",
            "set a password first: without it nobody could sign in to this account any more",
        )
    if not await show_password(tx, session, checked):
        return False
    if await store.delete_identities(tx, session.account.id, issuer):
        details = {"issuer": issuer}
        await record_everywhere(tx, session.account, "account.identity_unlinked", details)
    return True


async def list_identities(tx: Tx, session: Session) -> Mapping[str, datetime]:
    """Return the issuers that the account is linked to, and since when."""
    return await store.issuers_of(tx, session.account.id)


async def _link(tx: Tx, account: Account, identity: Identity) -> None:
    await store.insert_identity(tx, identity.issuer, identity.subject, account.id)
    details = {"issuer": identity.issuer}
    await record_everywhere(tx, account, "account.identity_linked", details)


def _enabled(row: Row | None) -> Account:
    if row is None or row.disabled_at is not None:
        raise _not_admitted("this account cannot sign in; ask an owner")
    return store.account_of(row)


def _not_admitted(why: str) -> DomainError:
    return DomainError(Kind.FORBIDDEN, "identity_not_admitted", why)
