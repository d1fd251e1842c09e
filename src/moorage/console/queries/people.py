"""What the page of a workspace's people reads."""

from moorage.console.contexts.people import Invitation, Invitations, People, Person
from moorage.core import accounts
from moorage.core.accounts import Role
from moorage.core.caller import Caller
from moorage.storage import Tx

_ROLES = (
    (str(Role.VIEWER), "Viewer: looks at everything but secrets and keys"),
    (str(Role.OPERATOR), "Operator: runs the fleet; makes no keys, invites nobody"),
    (str(Role.OWNER), "Owner: may do everything"),
)


async def show(tx: Tx, caller: Caller) -> People:
    """Read members and invitations."""
    members = [
        Person(
            id=one.account.id,
            name=one.account.name,
            email=one.account.email,
            role=str(one.role),
            since=one.since,
            has_totp=one.account.has_totp,
            is_disabled=one.account.disabled_at is not None,
            is_me=one.account.actor == caller.actor,
        )
        for one in await accounts.list_members(tx, caller)
    ]
    return People(members, _ROLES, await invitations(tx, caller))


async def invitations(
    tx: Tx, caller: Caller, *, address: str | None = None, made_for: str = ""
) -> Invitations:
    """Read the invitations; ``address`` is the link of one just made."""
    waiting = [
        Invitation(one.id, one.email or "", str(one.role), one.created_at, one.expires_at)
        for one in await accounts.list_invites(tx, caller)
    ]
    return Invitations(waiting, _ROLES, address, made_for)
