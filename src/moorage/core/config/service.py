"""Making, reading and changing a device's config."""

from collections.abc import Sequence
from typing import Any

from moorage.core import audit, devices
from moorage.core.caller import Caller, DeviceRef, Scope
from moorage.core.config import rules, store
from moorage.core.config.model import (
    AppliedRow,
    AppliedState,
    ConfigView,
    Document,
    Layer,
)
from moorage.core.devices import Device
from moorage.core.errors import DomainError, Kind, not_found
from moorage.kit.jsonvalue import check_json
from moorage.storage import Row, Tx


async def create_first(tx: Tx, caller: Caller, device: DeviceRef, own: Document) -> None:
    """Make the first revision of a device just made: the layers of its workspace and its own."""
    await store.insert_state(tx, device.device_id, 1)
    await _append(tx, caller, device, revision=1, own=own)


async def get(tx: Tx, caller: Caller, device: DeviceRef) -> ConfigView:
    """Return the desired revision (``config:read``)."""
    caller.require(Scope.CONFIG_READ)
    return _view(await _desired(tx, device))


async def get_for_device(tx: Tx, caller: Caller) -> tuple[Device, ConfigView]:
    """Return the document a device is to apply, for its own key, secrets included."""
    device = await devices.get_own(tx, caller)
    return device, _view(await _desired(tx, device.ref))


async def change(
    tx: Tx, caller: Caller, device: DeviceRef, patch: Document, *, if_match: str | None
) -> ConfigView:
    """Patch the device's own layer (RFC 7396); a change makes a new revision (``config:write``).

    ``if_match`` is the digest the caller saw.

    Raises:
        DomainError: ``precondition`` when another revision came in between; ``invalid`` naming the
            path.

    """
    caller.require(Scope.CONFIG_WRITE)
    check_json(patch)
    row = await _desired(tx, device, lock=True)
    if if_match is not None and if_match != row.digest:
        raise DomainError(
            Kind.PRECONDITION,
            "revision_changed",
            "the config was changed since it was read; read it again and repeat the change",
            extra={"revision": row.revision},
        )
    own = rules.merge_patch(row.own, patch)
    if own != row.own:
        await store.set_revision(tx, device.device_id, row.revision + 1)
        await _append(tx, caller, device, revision=row.revision + 1, own=own)
        await audit.record(
            tx, caller, "config.changed", device.device_id, {"revision": row.revision + 1}
        )
    return _view(await _desired(tx, device))


async def _append(
    tx: Tx, caller: Caller, device: DeviceRef, *, revision: int, own: Document
) -> None:
    merged = rules.merge(
        [
            Layer(rules.BASE_LAYER, rules.BASE_DEFAULT),
            *await store.layers_of(tx, device.workspace_id),
            Layer(rules.DEVICE_LAYER, own),
        ]
    )
    rules.check_document(merged.document)
    values: dict[str, Any] = {
        "device_id": device.device_id,
        "revision": revision,
        "own": own,
        "document": merged.document,
        "origins": merged.origins,
        "digest": rules.digest_of(merged.document),
        "created_at": tx.now,
        "created_by": caller.actor,
    }
    await store.insert_revision(tx, values)
    await devices.assign_interval(tx, device, rules.interval_of(merged.document))


async def current_revisions(tx: Tx, device_ids: Sequence[str]) -> dict[str, int]:
    """Return the desired revision by device, for ingest's answers."""
    return await store.current_revisions(tx, device_ids)


async def record_applied(tx: Tx, rows: Sequence[AppliedRow]) -> None:
    """Keep what devices report of their config. Ingest calls this with one row a device."""
    if rows:
        await store.record_applied(tx, sorted(rows, key=lambda row: str(row["device_id"])))


async def _desired(tx: Tx, device: DeviceRef, *, lock: bool = False) -> Row:
    row = await store.find_desired(tx, device.device_id, lock=lock)
    if row is None:
        raise not_found("device")
    return row


def _view(row: Row) -> ConfigView:
    reported = None
    if row.reported_revision is not None:
        reported = (row.reported_revision, row.reported_digest, row.reported_state)
    state = rules.applied_state(revision=row.revision, digest=row.digest, reported=reported)
    return ConfigView(
        revision=row.revision,
        digest=row.digest,
        document=row.document,
        own=row.own,
        origins=row.origins,
        created_at=row.created_at,
        created_by=row.created_by,
        applied=AppliedState(state, row.reported_revision, row.reported_error, row.reported_at),
    )
