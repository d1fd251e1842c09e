"""The people of a workspace: who they are, what they may, and that one owner is always left."""

from collections.abc import Mapping, Sequence

from moorage.core import audit
from moorage.core.accounts import rules, session_store, store
from moorage.core.accounts.model import Member, Role
from moorage.core.caller import Caller, Scope
from moorage.core.errors import DomainError, Kind, not_found
from moorage.storage import Tx


async def list_members(tx: Tx, caller: Caller) -> Sequence[Member]:
    """List the members of the caller's workspace, by address (``workspace:admin``)."""
    caller.require(Scope.WORKSPACE_ADMIN)
    return await store.list_members(tx, caller.workspace_id)


async def names(tx: Tx, caller: Caller) -> Mapping[str, str]:
    """Return the members' names by account, to say who changed what (``device:read``)."""
    caller.require(Scope.DEVICE_READ)
    members = await store.list_members(tx, caller.workspace_id)
    return {one.account.id: one.account.name for one in members}


async def change_role(tx: Tx, caller: Caller, account_id: str, role: str) -> Member:
    """Give a member another role (``workspace:admin``); it holds with that person's next request.

    Invitations that an owner made who is one no longer are void.

    Raises:
        DomainError: ``not_found``; ``invalid``; ``conflict`` when no owner would be left.

    """
    caller.require(Scope.WORKSPACE_ADMIN)
    wanted = rules.parse_role(role)
    owners = await store.lock_owners(tx, caller.workspace_id)
    member = await _get(tx, caller, account_id)
    if member.role is wanted:
        return member
    _check_owner_left(owners, account_id, wanted)
    await store.put_member(tx, caller.workspace_id, account_id, wanted)
    if member.role is Role.OWNER:
        # Or an owner who is not to be one any more could come back as another.
        await store.delete_invites(tx, caller.workspace_id, created_by=member.account.actor)
    details = {"email": member.account.email, "from": str(member.role), "to": str(wanted)}
    await audit.record(tx, caller, "account.role_changed", account_id, details)
    return await _get(tx, caller, account_id)


async def remove_member(tx: Tx, caller: Caller, account_id: str) -> None:
    """End a membership, the person's sessions in this workspace, and invitations made by them.

    Needs ``workspace:admin``.

    An account that is a member of nothing any more is deleted: nobody would look after it.

    Raises:
        DomainError: ``not_found``; ``conflict`` when no owner would be left.

    """
    caller.require(Scope.WORKSPACE_ADMIN)
    owners = await store.lock_owners(tx, caller.workspace_id)
    member = await _get(tx, caller, account_id)
    _check_owner_left(owners, account_id, None)
    await store.delete_member(tx, caller.workspace_id, account_id)
    await session_store.delete(tx, account_id, workspace_id=caller.workspace_id)
    await store.delete_invites(tx, caller.workspace_id, created_by=member.account.actor)
    details = {"email": member.account.email, "role": str(member.role)}
    await audit.record(tx, caller, "account.removed", account_id, details)
    if not await store.roles_of(tx, account_id):
        await store.delete(tx, account_id)


def _check_owner_left(owners: Sequence[str], account_id: str, role: Role | None) -> None:
    if role is Role.OWNER or set(owners) - {account_id} or account_id not in owners:
        return
    raise DomainError(
        Kind.CONFLICT,
        "last_owner",
        "a workspace keeps at least one owner; make somebody else an owner first",
    )


async def _get(tx: Tx, caller: Caller, account_id: str) -> Member:
    found = await store.find_member(tx, caller.workspace_id, account_id)
    if found is None:
        raise not_found("member")
    return found
