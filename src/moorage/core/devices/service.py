"""Making, reading, changing and ending records; heartbeats and facts."""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

from moorage.core import audit, events
from moorage.core.caller import Caller, DeviceRef, Scope
from moorage.core.devices import listing, rules, store, tables
from moorage.core.devices.model import (
    Approval,
    Changes,
    Device,
    Filter,
    HeartbeatRow,
    Sort,
    Status,
)
from moorage.core.errors import DomainError, Kind, invalid, not_found
from moorage.kit import ids
from moorage.kit.clock import to_ms
from moorage.kit.pages import Page
from moorage.kit.unset import UNSET
from moorage.storage import Tx, UniqueViolation


def new_id() -> str:
    """Return an id for a device that is yet to be made."""
    return ids.new_id("dev_")


async def create(  # noqa: PLR0913 - the parts of a record
    tx: Tx,
    caller: Caller,
    *,
    name: str | None,
    type: str = rules.DEFAULT_TYPE,  # noqa: A002 - the field's own name
    tags: Sequence[str] = (),
    reference: str | None = None,
    external_id: str | None = None,
    told: Mapping[str, Any] | None = None,
    id: str | None = None,  # noqa: A002 - the field's own name
) -> Device:
    """Make a record in the caller's mode (``device:update``); without a name its id is its name.

    ``told`` are facts of a device that made itself known: it has been seen then. ``id`` is one of
    ``devices.new_id``, when something outside had to know it first.

    Raises:
        DomainError: ``invalid``; ``conflict`` when reference or external id is taken.

    """
    caller.require(Scope.DEVICE_UPDATE)
    device_id = id or new_id()
    wanted_tags = rules.check_tags(tags)
    record: dict[str, Any] = {
        "id": device_id,
        "workspace_id": caller.workspace_id,
        "live": caller.live,
        "reference": rules.check_reference(reference, device_id),
        "name": device_id if name is None else rules.check_name(name),
        "type": rules.check_type(type),
        "external_id": external_id,
        "facts": dict(told or {}),
        "hostname": (told or {}).get("hostname"),
        "created_at": tx.now,
        "approval": str(Approval.APPROVED),
    }
    seen_at = None if told is None else tx.now
    try:
        await store.insert(tx, record, rules.DEFAULT_INTERVAL_S, seen_at)
    except UniqueViolation as error:
        raise _taken(error) from None
    if wanted_tags:
        await store.insert_tags(tx, device_id, wanted_tags)
    details = {"name": record["name"], "type": record["type"], "tags": list(wanted_tags)}
    await audit.record(tx, caller, "device.created", device_id, details)
    device = DeviceRef(device_id, caller.workspace_id, caller.live)
    await events.record(tx, device, events.EventText("device.created", "the record was made"))
    return tables.fresh_device(record, wanted_tags, rules.DEFAULT_INTERVAL_S, seen_at)


async def get(
    tx: Tx, caller: Caller, device_id: str, *, needs: Scope = Scope.DEVICE_READ
) -> Device:
    """Return a device of the caller's workspace and mode.

    ``needs`` is the scope of what is to be done with it: who may do that may find it, too.

    Raises:
        DomainError: ``not_found``, the same for absent and foreign.

    """
    caller.require(needs)
    return await _get(tx, caller, device_id)


async def get_by_any_id(
    tx: Tx, caller: Caller, device_id: str, *, needs: Scope = Scope.DEVICE_READ
) -> Device:
    """Return a device by our id for it or by the one it brought along; otherwise as ``get``."""
    caller.require(needs)
    if not rules.is_id(device_id):
        found = await store.find_id_by_external(
            tx, caller.workspace_id, device_id, live=caller.live
        )
        device_id = found or device_id
    return await _get(tx, caller, device_id)


async def find_by_external_id(tx: Tx, caller: Caller, external_id: str) -> Device | None:
    """Return the device that brought this id along, in the caller's workspace and mode."""
    caller.require(Scope.DEVICE_READ)
    found = await store.find_id_by_external(tx, caller.workspace_id, external_id, live=caller.live)
    return None if found is None else await _get(tx, caller, found)


async def take_external_id(tx: Tx, device: Device) -> None:
    """Take from a record the id its hardware brought along: the hardware has another record now."""
    await store.update(tx, device.workspace_id, device.id, {"external_id": None})


async def is_foreign(tx: Tx, caller: Caller, device_id: str) -> bool:
    """Whether the id is a device of another workspace: for the one API that tells this apart."""
    return await store.workspace_of(tx, device_id) not in (None, caller.workspace_id)


async def note_heartbeat(tx: Tx, device: DeviceRef, told: Mapping[str, Any]) -> None:
    """Note a sign of life that is no report, with what it told of the device."""
    await store.record_heartbeats(tx, [HeartbeatRow(device.device_id, to_ms(tx.now))])
    if told:
        await record_facts(tx, device, told)


async def get_known(tx: Tx, device: DeviceRef) -> Device:
    """Return a device that was looked up for its caller before. Raises ``not_found``."""
    found = await store.find(tx, device.workspace_id, device.device_id, live=device.live)
    if found is None:
        raise not_found("device")
    return found


async def get_own(tx: Tx, caller: Caller) -> Device:
    """Return the device whose key this is. Raises DomainError ``forbidden`` for another caller."""
    return await _get(tx, caller, caller.require_device())


async def _get(tx: Tx, caller: Caller, device_id: str) -> Device:
    device = None
    if rules.is_id(device_id):
        device = await store.find(tx, caller.workspace_id, device_id, live=caller.live)
    if device is None:
        raise not_found("device")
    return device


async def list_devices(  # noqa: PLR0913 - a query's parts
    tx: Tx,
    caller: Caller,
    wanted: Filter,
    *,
    sort: Sort = Sort.CREATED_AT_DOWN,
    cursor: str | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> Page[Device]:
    """List devices of the caller's mode (``device:read``); all of them when ``limit`` is None.

    ``offset`` is for APIs whose pages are counted: it costs more the further it goes, and a device
    that comes or goes meanwhile moves the rest. A cursor does neither.
    """
    caller.require(Scope.DEVICE_READ)
    return await listing.list_devices(
        tx,
        caller.workspace_id,
        wanted,
        live=caller.live,
        sort=sort,
        cursor=cursor,
        limit=limit,
        offset=offset,
    )


async def list_around(  # noqa: PLR0913 - a query's parts
    tx: Tx,
    caller: Caller,
    *,
    limit: int,
    after: str | None = None,
    before: str | None = None,
    known_as: str | None = None,
) -> Page[Device]:
    """List devices of the caller's mode, newest first, from a device on (``device:read``).

    ``after`` is the id of the device that older ones are to follow, ``before`` the one that the
    nearest newer ones are to come before; of both, one at most. ``next_cursor`` is the id to go on
    from in that direction. ``known_as`` keeps the one device of that reference, or of that id and
    without a reference.

    Raises:
        DomainError: ``invalid`` for a cursor that is no device's id.

    """
    caller.require(Scope.DEVICE_READ)
    for name, cursor in (("after", after), ("before", before)):
        if cursor is not None and not rules.is_id(cursor):
            raise invalid(f"/{name}", "a cursor here is a device's id")
    return await listing.list_around(
        tx,
        caller.workspace_id,
        live=caller.live,
        limit=limit,
        after=after,
        before=before,
        known_as=known_as,
    )


async def counts(tx: Tx, caller: Caller, wanted: Filter) -> dict[Status, int]:
    """Count by status what a filter leaves, its own status part left out (``device:read``)."""
    caller.require(Scope.DEVICE_READ)
    return await listing.counts(tx, caller.workspace_id, wanted, live=caller.live)


async def update(tx: Tx, caller: Caller, device_id: str, changes: Changes) -> Device:
    """Change a record (``device:update``).

    Raises:
        DomainError: ``not_found``, ``invalid``, ``conflict`` for a taken reference.

    """
    caller.require(Scope.DEVICE_UPDATE)
    before = await _get(tx, caller, device_id)
    values: dict[str, Any] = {}
    if changes.name is not UNSET:
        values["name"] = rules.check_name(changes.name)
    if changes.type is not UNSET:
        values["type"] = rules.check_type(changes.type)
    if changes.reference is not UNSET:
        values["reference"] = rules.check_reference(changes.reference, device_id)
    changed = {
        name: [getattr(before, name), value]
        for name, value in values.items()
        if getattr(before, name) != value
    }
    if values:
        try:
            await store.update(tx, caller.workspace_id, device_id, values)
        except UniqueViolation as error:
            raise _taken(error) from None
    if changes.tags is not UNSET:
        wanted = rules.check_tags(changes.tags)
        if wanted != before.tags:
            await store.set_tags(tx, device_id, wanted)
            changed["tags"] = [list(before.tags), list(wanted)]
    if changed:
        await audit.record(tx, caller, "device.updated", device_id, changed)
    return await _get(tx, caller, device_id)


def _taken(error: UniqueViolation) -> DomainError:
    if "reference" in error.constraint:
        return DomainError(
            Kind.CONFLICT,
            "reference_taken",
            "another device has this reference; references are unique",
        )
    return DomainError(Kind.CONFLICT, "device_exists", "another device has this id already")


async def record_heartbeats(tx: Tx, rows: Sequence[HeartbeatRow]) -> None:
    """Note that devices reported. Ingest calls this with one row a device."""
    if rows:
        await store.record_heartbeats(tx, sorted(rows, key=attrgetter("device_id")))


async def mark_seen(tx: Tx, device_ids: Sequence[str]) -> None:
    """Note contacts that are no heartbeats: enrolment, reads, backfill."""
    if device_ids:
        await store.mark_seen(tx, sorted(device_ids))


async def record_facts(tx: Tx, device: DeviceRef, told: Mapping[str, Any]) -> Mapping[str, Any]:
    """Merge what a device told of itself into its facts; what it did not mention stays.

    Returns the facts as they were.
    """
    before = await store.facts_of(tx, device.device_id)
    facts = {**before, **told}
    if facts != before:
        values: dict[str, Any] = {"facts": facts}
        if "hostname" in told:
            values["hostname"] = told["hostname"]
        await store.update(tx, device.workspace_id, device.device_id, values)
    return before


async def assign_interval(tx: Tx, device: DeviceRef, interval_s: int) -> None:
    """Set how often a device is to report. Config calls this when a document says so."""
    await store.assign_interval(tx, device.device_id, interval_s)


async def statuses(tx: Tx, caller: Caller) -> dict[str, Status]:
    """Return the status of every device the caller may see, by id (``device:read``)."""
    caller.require(Scope.DEVICE_READ)
    return await listing.statuses(tx, caller.workspace_id, live=caller.live)


async def intervals(tx: Tx, device_ids: Sequence[str]) -> dict[str, int]:
    """Report intervals in seconds by device, for ingest's answers."""
    return await store.intervals(tx, device_ids)


async def flag_clone(tx: Tx, device: DeviceRef, why: str) -> None:
    """Flag that two copies seem to speak under one key; the first time is an event."""
    if await store.set_clone_flag(tx, device.device_id, tx.now):
        await events.record(tx, device, events.EventText("device.clone_suspected", why))


async def clear_clone_flag(tx: Tx, device: DeviceRef) -> None:
    """Take the flag back: the device was given to one piece of hardware anew."""
    await store.set_clone_flag(tx, device.device_id, None)


async def set_approval(tx: Tx, device: DeviceRef, approval: Approval) -> None:
    """Note whether a device may speak; its keys are ``provisioning.set_approval``'s to see to."""
    await store.update(tx, device.workspace_id, device.device_id, {"approval": str(approval)})


async def take_release(tx: Tx, device: DeviceRef) -> bool:
    """Use up a release; of two who come at once only one gets True."""
    return await store.take_release(tx, device.workspace_id, device.device_id)


async def set_released(tx: Tx, device: DeviceRef, *, released: bool) -> None:
    """Note whether the device's hardware may enrol anew into this record."""
    at = tx.now if released else None
    await store.update(tx, device.workspace_id, device.device_id, {"released_at": at})


async def bury(tx: Tx, device: Device, key_digests: Sequence[str]) -> None:
    """Leave a tombstone, so that the device's reports are answered "gone".

    Raises:
        DomainError: ``not_found`` when somebody else was a moment earlier.

    """
    try:
        await store.insert_tombstone(tx, device, key_digests)
    except UniqueViolation:
        raise not_found("device") from None


async def forget(tx: Tx, device: Device) -> None:
    """Delete the record and all that hangs on it; append-only rows are left to a job."""
    await store.delete(tx, device.workspace_id, device.id)


async def find_buried(tx: Tx, key_digest: str) -> DeviceRef | None:
    """Return the retired device that once had this key, or None."""
    row = await store.find_tombstone(tx, key_digest)
    return row and DeviceRef(row.device_id, row.workspace_id, row.live)


async def ids_after(tx: Tx, after: str, limit: int) -> Sequence[str]:
    """Walk all devices of all workspaces in id order, for jobs."""
    return [device_id for device_id, _ in await store.owned_after(tx, after, limit)]


async def owned_after(tx: Tx, after: str, limit: int) -> Sequence[tuple[str, str]]:
    """Walk all devices in id order, each with its workspace's id, for jobs."""
    return await store.owned_after(tx, after, limit)


async def unpurged_remains(tx: Tx, limit: int) -> Sequence[str]:
    """Return retired devices whose append-only rows are still there, for jobs."""
    return await store.unpurged(tx, limit)


async def purge_tombstones(tx: Tx, device_ids: Sequence[str]) -> None:
    """Note that these retired devices' rows are all gone."""
    if device_ids:
        await store.set_purged(tx, device_ids)
