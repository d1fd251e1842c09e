"""Saving views and finding them again: everybody their own, in each workspace."""

from collections.abc import Sequence

from moorage.core.caller import Caller, Scope
from moorage.core.errors import DomainError, Kind, invalid, not_found
from moorage.core.views import store
from moorage.core.views.model import SavedView
from moorage.kit.text import is_plain_text
from moorage.storage import Tx

_MOST = 50
_LONGEST_NAME = 80
_LONGEST_QUERY = 2_000


async def list_views(tx: Tx, caller: Caller) -> Sequence[SavedView]:
    """Return the caller's own views, by name (``device:read``)."""
    caller.require(Scope.DEVICE_READ)
    return await store.list_views(tx, caller.workspace_id, caller.actor)


async def save(tx: Tx, caller: Caller, name: str, query: str) -> SavedView:
    """Keep a view under a name, in place of one that has it (``device:read``).

    Raises:
        DomainError: ``invalid``; ``conflict`` when there are so many that one must go first.

    """
    caller.require(Scope.DEVICE_READ)
    trimmed = name.strip()
    if not trimmed or len(trimmed) > _LONGEST_NAME or not trimmed.isprintable():
        raise invalid("/name", f"a view's name is 1 to {_LONGEST_NAME} printable characters")
    if len(query) > _LONGEST_QUERY or not is_plain_text(query):
        raise invalid("/query", f"a view is at most {_LONGEST_QUERY} characters of an address")
    there = {view.name for view in await store.list_views(tx, caller.workspace_id, caller.actor)}
    if trimmed not in there and len(there) >= _MOST:
        raise DomainError(
            Kind.CONFLICT, "too_many_views", f"you have {_MOST} views; take one away first"
        )
    view = SavedView(trimmed, query, tx.now)
    await store.put(tx, caller.workspace_id, caller.actor, view)
    return view


async def remove(tx: Tx, caller: Caller, name: str) -> None:
    """Take a view away (``device:read``). Raises DomainError ``not_found``."""
    caller.require(Scope.DEVICE_READ)
    if not await store.delete(tx, caller.workspace_id, caller.actor, name):
        raise not_found("view")
