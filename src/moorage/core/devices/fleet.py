"""Many devices at once: those that are amiss, what is in use, and records by their ids."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from moorage.core.caller import Caller, Scope
from moorage.core.devices import listing
from moorage.core.devices.model import Amiss, Approval, Device, Filter, Sort, Status, Vocabulary
from moorage.storage import Tx

_MOST_WORDS = 200


def cursor_at(device: Device, sort: Sort) -> str:
    """Return the cursor that ``list_devices`` goes on from behind a device."""
    return listing.cursor_at(device, sort)


def ids_of(caller: Caller) -> Any:
    """Return a statement for the ids of the caller's devices, for stores of what devices have."""
    caller.require(Scope.DEVICE_READ)
    return listing.owned_ids(caller.workspace_id, live=caller.live)


async def get_many(tx: Tx, caller: Caller, device_ids: Sequence[str]) -> dict[str, Device]:
    """Return those of the devices that are there, by id (``device:read``)."""
    caller.require(Scope.DEVICE_READ)
    return await listing.get_many(tx, caller.workspace_id, device_ids, live=caller.live)


async def list_amiss(
    tx: Tx, caller: Caller, wanted: Filter, *, unheard_for: timedelta, flagged: Sequence[str]
) -> list[Amiss]:
    """Return devices that are amiss, and those ``flagged`` for reasons of others (``device:read``).

    Amiss is who is late or offline, may be a copy, waits to be approved, or was made
    ``unheard_for`` ago and never heard of. The filter's statuses are not looked at.
    """
    caller.require(Scope.DEVICE_READ)
    rows = await listing.needing(
        tx,
        caller.workspace_id,
        wanted,
        live=caller.live,
        unheard_for=unheard_for,
        flagged=flagged,
    )
    return [
        Amiss(id_, name, Status(status), suspected is not None, Approval(approval), created_at)
        for id_, name, status, suspected, approval, created_at in map(tuple, rows)
    ]


async def vocabulary(tx: Tx, caller: Caller) -> Vocabulary:
    """Return the types and tags in use, up to 200 of each (``device:read``)."""
    caller.require(Scope.DEVICE_READ)
    return await listing.vocabulary(tx, caller.workspace_id, live=caller.live, limit=_MOST_WORDS)


async def agent_versions(tx: Tx, caller: Caller) -> list[tuple[str | None, int]]:
    """Count devices by the version their agent told, None for none told, the most first.

    Needs ``device:read``.
    """
    caller.require(Scope.DEVICE_READ)
    return await listing.agent_versions(tx, caller.workspace_id, live=caller.live)
