"""Making, reading and changing a device's config."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from moorage.core import audit, devices, events
from moorage.core.caller import Caller, DeviceRef, Scope
from moorage.core.config import rules, servers, store
from moorage.core.config.model import (
    AppliedRow,
    AppliedState,
    ConfigView,
    Document,
    Layer,
    Merged,
    Revision,
    RevisionEntry,
)
from moorage.core.devices import Device
from moorage.core.errors import DomainError, Kind, not_found
from moorage.kit.jsonvalue import check_json
from moorage.kit.pages import Page, decode_cursor, encode_cursor
from moorage.storage import Row, Tx

FIRST_REVISION = 1


class _Appended(NamedTuple):
    changed: list[str]
    interval_s: int


async def create_first(tx: Tx, caller: Caller, device: Device, own: Document) -> Device:
    """Make the first revision of a device just made: the layers of its workspace and its own.

    Returns the device as it is then: the document says how often it is to report.
    """
    lower = [rules.base(), *await store.layers_of(tx, device.workspace_id)]
    return await _begin(tx, caller, device, lower, own)


async def create_copy(tx: Tx, caller: Caller, device: Device, source: DeviceRef) -> Device:
    """Make the first revision as another device's present one, secrets included."""
    _, found = await _desired(tx, source)
    return await _begin(tx, caller, device, found.lower, found.own)


async def _begin(
    tx: Tx, caller: Caller, device: Device, lower: Sequence[Layer], own: Document
) -> Device:
    appended = await _append(
        tx,
        caller,
        device.ref,
        revision=FIRST_REVISION,
        lower=lower,
        own=own,
        before={},
        was_s=device.interval_s,
    )
    return devices.with_interval(device, appended.interval_s)


async def get(tx: Tx, caller: Caller, device: DeviceRef) -> ConfigView:
    """Return the desired revision (``config:read``); secrets need ``config:read_secrets``."""
    caller.require(Scope.CONFIG_READ)
    return await _view(tx, device, *await _desired(tx, device), clear=_clear(caller))


async def get_for_device(tx: Tx, caller: Caller) -> tuple[Device, ConfigView]:
    """Return the document a device is to apply, for its own key, secrets included."""
    device = await devices.get_own(tx, caller)
    return device, await _view(tx, device.ref, *await _desired(tx, device.ref), clear=True)


async def get_revision(tx: Tx, caller: Caller, device: DeviceRef, revision: int) -> Revision:
    """Return one revision (``config:read``). Raises DomainError ``not_found``."""
    caller.require(Scope.CONFIG_READ)
    found = await revision_of(tx, device, revision)
    return found if _clear(caller) else masked_revision(found)


async def list_revisions(
    tx: Tx, caller: Caller, device: DeviceRef, *, cursor: str | None, limit: int
) -> Page[RevisionEntry]:
    """List revisions, newest first (``config:read``)."""
    caller.require(Scope.CONFIG_READ)
    before = int(decode_cursor(cursor, int)[0]) if cursor else None
    rows = await store.list_revisions(tx, device.device_id, before=before, limit=limit + 1)
    page = [
        RevisionEntry(row.revision, row.digest, row.created_at, row.created_by, row.changed)
        for row in rows[:limit]
    ]
    return Page(page, encode_cursor(page[-1].revision) if len(rows) > limit else None)


async def change(
    tx: Tx, caller: Caller, device: DeviceRef, patch: Document, *, if_match: str | None
) -> ConfigView:
    """Patch the device's own layer (RFC 7396); a change makes a new revision (``config:write``).

    ``if_match`` is the digest the caller saw.

    Raises:
        DomainError: ``precondition`` when another revision came in between; ``invalid`` naming the
            path.

    """
    check_json(patch)

    def fold(now: Revision) -> Document:
        return rules.merge_patch(now.own, patch)

    return await change_own(tx, caller, device, fold, "config.changed", if_match=if_match)


async def proposed(tx: Tx, caller: Caller, device: DeviceRef, patch: Document) -> Document:
    """Return what the document would be with a patch, secrets included; nothing is changed.

    Needs ``config:write``. Raises DomainError as ``change``.
    """
    caller.require(Scope.CONFIG_WRITE)
    check_json(patch)
    _, merged = await try_fold(tx, device, lambda now: rules.merge_patch(now.own, patch))
    return merged.document


async def try_fold(
    tx: Tx, device: DeviceRef, fold: Callable[[Revision], Document]
) -> tuple[Revision, Merged]:
    """Return the present revision and what would follow; raises DomainError ``invalid``."""
    _, now = await _desired(tx, device)
    merged = rules.merge([*now.lower, Layer(rules.DEVICE_LAYER, fold(now))])
    await servers.check_document(tx, merged.document)
    return now, merged


async def replace(
    tx: Tx, caller: Caller, device: DeviceRef, parts: Document, *, if_match: str | None
) -> ConfigView:
    """Replace whole top-level parts of the document; absent ones stay (``config:write``).

    Raises:
        DomainError: as ``change``.

    """
    check_json(parts)

    def fold(now: Revision) -> Document:
        lower = rules.merge(now.lower).document
        own = dict(now.own)
        for name, wanted in parts.items():
            patch = rules.patch_between(
                {name: lower[name]} if name in lower else {}, {name: wanted}
            )
            own.pop(name, None)
            own.update(patch)
        return own

    return await change_own(tx, caller, device, fold, "config.changed", if_match=if_match)


async def roll_back(
    tx: Tx, caller: Caller, device: DeviceRef, revision: int, *, if_match: str | None
) -> ConfigView:
    """Make a new revision that is as an earlier one was (``config:write``).

    Raises:
        DomainError: ``not_found`` for the revision; else as ``change``.

    """
    caller.require(Scope.CONFIG_WRITE)
    wanted = await revision_of(tx, device, revision)

    def fold(_now: Revision) -> Document:
        return wanted.own

    return await change_own(tx, caller, device, fold, "config.rolled_back", if_match=if_match)


async def change_own(  # noqa: PLR0913 - what the ways of changing differ in
    tx: Tx,
    caller: Caller,
    device: DeviceRef,
    fold: Callable[[Revision], Document],
    action: str,
    *,
    if_match: str | None,
) -> ConfigView:
    """Fold the device's own layer; a layer that differs is a new revision."""
    caller.require(Scope.CONFIG_WRITE)
    state, now = await _desired(tx, device, lock=True)
    if if_match is not None and if_match != now.digest:
        raise DomainError(
            Kind.PRECONDITION,
            "revision_changed",
            "the config was changed since it was read; read it again and repeat the change",
            extra={"revision": now.revision},
        )
    own = fold(now)
    if not rules.same(own, now.own):
        number = now.revision + 1
        await store.set_revision(tx, device.device_id, number)
        appended = await _append(
            tx, caller, device, revision=number, lower=now.lower, own=own, before=now.document
        )
        details = {"revision": number, "changed": appended.changed}
        await audit.record(tx, caller, action, device.device_id, details)
        tx.announce(f"device:{device.device_id}")
        state, now = await _desired(tx, device)
    return await _view(tx, device, state, now, clear=_clear(caller))


async def _append(  # noqa: PLR0913 - the parts of a revision
    tx: Tx,
    caller: Caller,
    device: DeviceRef,
    *,
    revision: int,
    lower: Sequence[Layer],
    own: Document,
    before: Document,
    was_s: int | None = None,
) -> _Appended:
    """Append a revision. ``was_s``: the interval that the device is known to have been assigned."""
    merged = rules.merge([*lower, Layer(rules.DEVICE_LAYER, own)])
    await servers.check_document(tx, merged.document)
    changed = rules.changed_pointers(before, merged.document)
    values: dict[str, Any] = {
        "device_id": device.device_id,
        "revision": revision,
        "own": own,
        "lower": [[layer.name, layer.patch] for layer in lower],
        "document": merged.document,
        "origins": merged.origins,
        "changed": changed,
        "digest": rules.digest_of(merged.document),
        "created_at": tx.now,
        "created_by": caller.actor,
    }
    if revision == FIRST_REVISION:
        store.append_first(tx, values)
    else:
        await store.insert_revision(tx, values)
    interval_s = rules.interval_of(merged.document)
    if interval_s != was_s:
        await devices.assign_interval(tx, device, interval_s)
    return _Appended(changed, interval_s)


async def streams_of(tx: Tx, device: DeviceRef) -> Mapping[str, Mapping[str, Any]]:
    """Return the configured streams by id, secrets included: for ``streams``, which sanitizes."""
    return await _part(tx, device, "streams")


async def services_of(tx: Tx, device: DeviceRef) -> Mapping[str, Mapping[str, Any]]:
    """Return the configured services by name, secrets included: for ``services``."""
    return await _part(tx, device, "services")


async def _part(tx: Tx, device: DeviceRef, name: str) -> Mapping[str, Mapping[str, Any]]:
    _, found = await _desired(tx, device)
    part: Mapping[str, Mapping[str, Any]] = found.document[name]
    return part


async def current_revisions(tx: Tx, device_ids: Sequence[str]) -> dict[str, int]:
    """Return the desired revision by device, for ingest's answers."""
    return await store.current_revisions(tx, device_ids)


async def record_applied(tx: Tx, rows: Sequence[AppliedRow]) -> None:
    """Keep what devices report of their config. Ingest calls this with one row a device.

    A revision that was applied or failed since the last word of it is an event.
    """
    if not rows:
        return
    rows = sorted(rows, key=lambda row: row.device.device_id)
    before = await store.reported_of(tx, [row.device.device_id for row in rows])
    told = [
        events.row_of(row.device, text, tx.now)
        for row in rows
        if before.get(row.device.device_id) != (row.revision, row.digest, row.state)
        and (text := _outcome(row)) is not None
    ]
    await events.append(tx, told)
    await store.record_applied(tx, rows)


def _outcome(row: AppliedRow) -> events.EventText | None:
    metadata = {"revision": row.revision, "digest": row.digest}
    if row.state == "applied":
        text = f"the device runs config revision {row.revision}"
        return events.EventText("device.config_applied", text, metadata=metadata)
    if row.state == "failed":
        text = f"config revision {row.revision} failed: {row.error or 'no reason was told'}"
        return events.EventText("device.config_failed", text, "config_failed", metadata)
    return None


def _clear(caller: Caller) -> bool:
    return caller.may(Scope.CONFIG_READ_SECRETS)


def masked_revision(revision: Revision) -> Revision:
    """Return a revision whose secrets cannot be read from it."""
    return Revision(
        revision=revision.revision,
        digest=revision.digest,
        document=rules.masked(revision.document),
        own=rules.masked(revision.own),
        lower=[Layer(layer.name, rules.masked(layer.patch)) for layer in revision.lower],
        origins=revision.origins,
        changed=revision.changed,
        created_at=revision.created_at,
        created_by=revision.created_by,
    )


async def _desired(tx: Tx, device: DeviceRef, *, lock: bool = False) -> tuple[Row, Revision]:
    state = await store.find_state(tx, device.device_id, lock=lock)
    if state is None:
        raise not_found("device")
    return state, await revision_of(tx, device, state.revision)


async def revision_of(tx: Tx, device: DeviceRef, revision: int) -> Revision:
    """Return one revision, secrets included. Raises DomainError ``not_found``."""
    found = await store.find_revision(tx, device.device_id, revision)
    if found is None:
        raise not_found("revision")
    return found


async def _view(
    tx: Tx, device: DeviceRef, state: Row, found: Revision, *, clear: bool
) -> ConfigView:
    reported = None
    if state.reported_revision is not None:
        reported = (state.reported_revision, state.reported_digest, state.reported_state)
    applied = rules.applied_state(revision=found.revision, digest=found.digest, reported=reported)
    shown = found if clear else masked_revision(found)
    return ConfigView(
        revision=found.revision,
        digest=found.digest,
        document=shown.document,
        own=shown.own,
        origins=found.origins,
        created_at=found.created_at,
        created_by=found.created_by,
        began_at=await store.first_created_at(tx, device.device_id) or found.created_at,
        applied=AppliedState(
            applied, state.reported_revision, state.reported_error, state.reported_at
        ),
    )


async def number_anew(tx: Tx, actor: str) -> int:
    """Give every device its present document under a number that was never used before.

    For a database that was set back: what was numbered since then is not known here any more, and
    may still run on devices. The seconds since the first of these numbers could be are beyond any
    that was, unless a device's config was changed more than once a second ever since. Returns the
    number.
    """
    number = max(rules.number_at(tx.now), await store.highest_revision(tx) + 1)
    await store.renumber(tx, number, actor)
    return number
