"""Recording changes. Details name what changed, never a secret's value."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from moorage.core.audit import store
from moorage.core.audit.model import Entry
from moorage.core.caller import Caller, Scope
from moorage.kit.ids import new_row_id
from moorage.kit.pages import Page, decode_cursor, encode_cursor
from moorage.storage import Tx


async def record(
    tx: Tx, caller: Caller, action: str, entity_id: str, details: Mapping[str, Any] | None = None
) -> None:
    """Write down a change in its own transaction. ``action`` reads ``device.created``."""
    store.append(
        tx,
        {
            "workspace_id": caller.workspace_id,
            "id": new_row_id(),
            "at": tx.now,
            "actor": caller.actor,
            "action": action,
            "entity_id": entity_id,
            "details": dict(details or {}),
        },
    )


async def list_entries(  # noqa: PLR0913 - a query's parts
    tx: Tx,
    caller: Caller,
    *,
    actor: str | None = None,
    action: str | None = None,
    entity_id: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    cursor: str | None,
    limit: int,
) -> Page[Entry]:
    """List changes in the caller's workspace, newest first (``audit:read``).

    Raises:
        BadCursorError: the cursor is not one of ours.

    """
    caller.require(Scope.AUDIT_READ)
    wanted = {"actor": actor, "action": action, "entity_id": entity_id}
    found = await store.list_entries(
        tx,
        caller.workspace_id,
        equal={name: value for name, value in wanted.items() if value is not None},
        start=start,
        end=end,
        before_id=None if cursor is None else int(decode_cursor(cursor, int)[0]),
        limit=limit + 1,
    )
    shown = found[:limit]
    return Page(shown, encode_cursor(shown[-1].id) if len(found) > limit else None)


async def purge(
    tx: Tx, before: datetime, rows: int, *, of: str | None = None, but: Sequence[str] = ()
) -> int:
    """Delete up to ``rows`` entries from before a time; return how many went.

    ``of`` is the one workspace whose entries go; without it they go of all ``but`` some.
    """
    return await store.delete_before(tx, before, rows, of=of, but=but)
