"""Recording changes. Details name what changed, never a secret's value."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from moorage.core.audit import store
from moorage.core.caller import Caller
from moorage.kit.ids import new_row_id
from moorage.storage import Tx


async def record(
    tx: Tx, caller: Caller, action: str, entity_id: str, details: Mapping[str, Any] | None = None
) -> None:
    """Write down a change in its own transaction. ``action`` reads ``device.created``."""
    await store.insert(
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


async def purge(tx: Tx, before: datetime, rows: int) -> int:
    """Delete up to ``rows`` entries from before a time; return how many went."""
    return await store.delete_before(tx, before, rows)
