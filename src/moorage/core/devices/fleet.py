"""Many devices at once: those that are amiss, what is in use, and records by their ids."""

from collections.abc import Mapping, Sequence
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


async def amiss_totals(
    tx: Tx, caller: Caller, wanted: Filter, *, unheard_for: timedelta
) -> dict[str, int]:
    """Count what is amiss with devices (``device:read``); the filter's statuses are not looked at.

    ``offline``, ``late``; ``clone`` for who may be a copy; ``pending`` for who is to be approved;
    ``unheard`` for who was made ``unheard_for`` ago and never heard of; ``any`` for any of it.
    """
    caller.require(Scope.DEVICE_READ)
    return await listing.amiss_totals(
        tx, caller.workspace_id, wanted, live=caller.live, unheard_for=unheard_for
    )


async def list_amiss(  # noqa: PLR0913 - a query's parts
    tx: Tx,
    caller: Caller,
    wanted: Filter,
    *,
    unheard_for: timedelta,
    ranks: Mapping[str, int],
    but: Sequence[str] = (),
    at: tuple[int, str] | None = None,
    back: bool = False,
    limit: int,
) -> list[tuple[int, str]]:
    """Return (rank, id) of devices with something amiss that has a rank (``device:read``).

    Ordered by both, from behind the place ``at``, or ``back`` from before it, the nearest first.
    ``but`` are left out.
    """
    caller.require(Scope.DEVICE_READ)
    rows = await listing.list_amiss(
        tx,
        caller.workspace_id,
        wanted,
        live=caller.live,
        unheard_for=unheard_for,
        ranks=ranks,
        but=but,
        at=at,
        back=back,
        limit=limit,
    )
    return [(row.rank, row.id) for row in rows]


async def records_of(
    tx: Tx, caller: Caller, wanted: Filter, device_ids: Sequence[str]
) -> list[Amiss]:
    """Return what may be amiss with these devices, as far as they fit (``device:read``)."""
    caller.require(Scope.DEVICE_READ)
    if not device_ids:
        return []
    rows = await listing.records_of(tx, caller.workspace_id, wanted, device_ids, live=caller.live)
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
