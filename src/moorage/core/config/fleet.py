"""The config of many devices: whose is not as it is to be."""

from datetime import timedelta

from moorage.core import devices
from moorage.core.caller import Caller, Scope
from moorage.core.config import listing
from moorage.core.config.model import Applied, Astray
from moorage.storage import Tx


async def list_astray(tx: Tx, caller: Caller, *, behind_for: timedelta) -> dict[str, Astray]:
    """Return whose config failed, or is behind for so long, by device (``config:read``).

    Who never reported of its config is not among them, nor who drifted: for that every document's
    digest would have to be read.
    """
    caller.require(Scope.CONFIG_READ)
    rows = await listing.astray(tx, devices.ids_of(caller), since=tx.now - behind_for)
    return {
        row.device_id: Astray(
            Applied.PENDING if row.reported_revision != row.revision else Applied.FAILED,
            row.revision,
            row.reported_revision,
            row.reported_error,
        )
        for row in rows
    }
