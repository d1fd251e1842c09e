"""What was tried with a device's tokens: kept a day, so that nobody waits without knowing why."""

from datetime import timedelta

from moorage.core import devices, keys
from moorage.core.caller import Caller
from moorage.core.provisioning import store
from moorage.core.provisioning.model import Attempt
from moorage.storage import Tx

KEPT = timedelta(hours=24)


async def note_attempt(
    tx: Tx, token: str, *, address: str | None, outcome: str, reason: str
) -> None:
    """Note what was tried with a token; one that nobody knows is no device's and is not kept."""
    row = await store.find_by_digest(tx, keys.digest(token))
    if row is not None:
        attempt = Attempt(tx.now, address, outcome, reason)
        await store.insert_attempt(tx, row.device_id, attempt)


async def list_attempts(tx: Tx, caller: Caller, device_id: str) -> list[Attempt]:
    """List what was tried with a device's tokens in 24 hours, newest first (``device:read``)."""
    device = await devices.get(tx, caller, device_id)
    return await store.list_attempts(tx, device.ref, tx.now - KEPT)


async def purge_attempts(tx: Tx, rows: int) -> int:
    """Delete up to ``rows`` attempts of more than 24 hours ago; return how many went."""
    return await store.delete_attempts(tx, tx.now - KEPT, rows)
