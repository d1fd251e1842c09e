"""Registering, enrolling and retiring devices: what spans several capabilities."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from moorage.core import audit, config, devices, environments, events, keys, workspaces
from moorage.core.caller import Caller, Scope
from moorage.core.devices import Approval, Device
from moorage.core.errors import DomainError, Kind, invalid
from moorage.core.provisioning import store
from moorage.core.provisioning.model import (
    DEVICE_KEY_PREFIX,
    INSTALL_TOKEN_PREFIX,
    InstallToken,
    OfflinePayload,
    Registered,
)
from moorage.core.provisioning.offline import sign_payload
from moorage.kit.ids import new_id, new_key_text
from moorage.kit.signedtext import Signer
from moorage.storage import Tx

DEFAULT_EXPIRY = timedelta(minutes=10)
_SHORTEST_EXPIRY = timedelta(seconds=60)
_LONGEST_EXPIRY = timedelta(days=30)
# A payload is printed, packed and waits in a box.
OFFLINE_EXPIRY = timedelta(days=365)
_LONGEST_OFFLINE = timedelta(days=3650)
# Spent tokens stay a while: the same token with the same key is answered again.
_SPENT_KEPT = timedelta(days=7)


async def register(  # noqa: PLR0913 - the parts of a record
    tx: Tx,
    caller: Caller,
    *,
    name: str,
    type: str = devices.DEFAULT_TYPE,  # noqa: A002 - the field's own name
    tags: Sequence[str] = (),
    reference: str | None = None,
    own: Mapping[str, Any] | None = None,
    copy_of: Device | None = None,
    expires_in: timedelta = DEFAULT_EXPIRY,
) -> Registered:
    """Make a device: record, first config document, install token (``device:update``).

    ``own`` is the device's layer to begin with; ``copy_of`` a device found for this caller whose
    config is taken over, secrets included, but nothing else of it.

    Raises:
        DomainError: ``invalid``; ``conflict`` for a taken reference.

    """
    made = await devices.create(tx, caller, name=name, type=type, tags=tags, reference=reference)
    if copy_of is not None:
        device = await config.create_copy(tx, caller, made, copy_of.ref)
    else:
        device = await config.create_first(tx, caller, made, own or {})
    return Registered(device, await _make_token(tx, caller, device, expires_in))


async def register_bare(
    tx: Tx, caller: Caller, *, name: str | None, reference: str | None
) -> Device:
    """Make a device as ``register`` does, but leave its install token for later, if ever."""
    made = await devices.create(tx, caller, name=name, reference=reference)
    return await config.create_first(tx, caller, made, {})


async def new_install_token(
    tx: Tx, caller: Caller, device_id: str, *, expires_in: timedelta = DEFAULT_EXPIRY
) -> InstallToken:
    """Make a fresh install token, also to put this record onto new hardware (``device:update``).

    Older unspent ones stop working.
    """
    device = await devices.get(tx, caller, device_id, needs=Scope.DEVICE_UPDATE)
    return await _issue_token(tx, caller, device, expires_in)


async def new_offline_payload(  # noqa: PLR0913 - the parts of a payload
    tx: Tx,
    caller: Caller,
    device_id: str,
    signer: Signer,
    *,
    server: str,
    expires_in: timedelta = OFFLINE_EXPIRY,
) -> OfflinePayload:
    """Make a fresh signed payload with a one-time secret in it (``device:update``).

    The secrets of earlier payloads stop working; an install token that is out stays good.

    Raises:
        DomainError: ``invalid`` for an expiry or a server address too long.

    """
    device = await devices.get(tx, caller, device_id, needs=Scope.DEVICE_UPDATE)
    token = await _issue_token(tx, caller, device, expires_in, offline=True)
    workspace = await workspaces.get(tx, device.workspace_id)
    return sign_payload(
        tx,
        signer,
        server=server,
        device=device.ref,
        workspace=workspace.slug,
        name=device.name,
        token=token,
    )


async def list_keys(tx: Tx, caller: Caller, device_id: str) -> Sequence[keys.Key]:
    """List a device's keys, newest first, those revoked too (``device:read``)."""
    device = await devices.get(tx, caller, device_id)
    return await keys.find_for_device(tx, device.workspace_id, device.id)


async def rotate_key(tx: Tx, caller: Caller, device_id: str) -> keys.NewKey:
    """Replace a device's key by a new one, at once (``device:update``); its text is shown once.

    Whatever uses the old one is refused from here on, until it is given the new one or enrols anew.
    """
    device = await devices.get(tx, caller, device_id, needs=Scope.DEVICE_UPDATE)
    _require_approved(device)
    made = await keys.issue(
        tx,
        caller,
        name=f"Device: {device.id}",
        live=device.live,
        device_id=device.id,
        text=new_key_text(DEVICE_KEY_PREFIX),
    )
    await keys.revoke_for_device(tx, caller, device.id, keep=made.key.id)
    await audit.record(tx, caller, "device.key_rotated", device.id, {"key_id": made.key.id})
    await events.record(
        tx, device.ref, events.EventText("device.key_rotated", "the owner replaced its key")
    )
    return made


async def _issue_token(
    tx: Tx, caller: Caller, device: Device, expires_in: timedelta, *, offline: bool = False
) -> InstallToken:
    """Make a token that takes the place of the device's others of its kind."""
    _require_approved(device)
    await store.void_unspent(tx, device.id, offline=offline)
    return await _make_token(tx, caller, device, expires_in, offline=offline)


async def _make_token(
    tx: Tx, caller: Caller, device: Device, expires_in: timedelta, *, offline: bool = False
) -> InstallToken:
    longest = _LONGEST_OFFLINE if offline else _LONGEST_EXPIRY
    if not _SHORTEST_EXPIRY <= expires_in <= longest:
        raise invalid("/expires_in_s", f"the secret lives from 60 seconds to {longest.days} days")
    text = new_key_text(INSTALL_TOKEN_PREFIX)
    token_id = new_id("itk_")
    expires_at = tx.now + expires_in
    store.append(
        tx,
        {
            "id": token_id,
            "workspace_id": device.workspace_id,
            "device_id": device.id,
            "live": device.live,
            "offline": offline,
            "digest": keys.digest(text),
            "created_at": tx.now,
            "expires_at": expires_at,
        },
    )
    await audit.record(tx, caller, "install_token.created", device.id, {"token_id": token_id})
    return InstallToken(text, expires_at)


def _require_approved(device: Device) -> None:
    if device.approval is not Approval.APPROVED:
        raise DomainError(
            Kind.CONFLICT,
            "device_not_approved",
            f"this device is {device.approval}: nothing may open it; approve it first",
        )


async def set_approval(tx: Tx, caller: Caller, device_id: str, approval: Approval) -> Device:
    """Let a device speak, or not (``device:update``): without approval its keys open nothing.

    What would enrol it is void then, too. Its key works again once it is approved.
    """
    device = await devices.get(tx, caller, device_id, needs=Scope.DEVICE_UPDATE)
    if device.approval is approval:
        return device
    approved = approval is Approval.APPROVED
    await devices.set_approval(tx, device.ref, approval)
    await keys.enable_for_device(tx, caller, device.id, enabled=approved)
    if not approved:
        await store.void_unspent(tx, device.id)
        await devices.set_released(tx, device.ref, released=False)
    changed = {"approval": [str(device.approval), str(approval)]}
    await audit.record(tx, caller, "device.approval_changed", device.id, changed)
    said = events.EventText(f"device.{approval}", "its owner decided so")
    await events.record(tx, device.ref, said)
    return await devices.get(tx, caller, device_id, needs=Scope.DEVICE_UPDATE)


async def release(tx: Tx, caller: Caller, device_id: str) -> Device:
    """Let the device's hardware enrol anew into its record, once (``device:update``).

    For hardware that was set up anew and lost its key: the next provisioning of its id gets a new
    key for this record, whatever the token's policy; until then the present key works.

    Raises:
        DomainError: ``not_found``; ``conflict`` for a device that is not approved, or that brought
            no id of its own along.

    """
    device = await devices.get(tx, caller, device_id, needs=Scope.DEVICE_UPDATE)
    _require_approved(device)
    if device.external_id is None:
        raise DomainError(
            Kind.CONFLICT,
            "no_external_id",
            "this device brought no id along, so a token for many cannot find it; make an install "
            "token for it instead",
        )
    await devices.set_released(tx, device.ref, released=True)
    await audit.record(tx, caller, "device.released", device.id)
    said = events.EventText("device.released", "its hardware may enrol anew into this record, once")
    await events.record(tx, device.ref, said)
    return await devices.get(tx, caller, device_id, needs=Scope.DEVICE_UPDATE)


async def retire(tx: Tx, caller: Caller, device_id: str) -> None:
    """End a device: its keys at once, its record, what hangs on it (``device:delete``).

    A tombstone stays, so that its reports are answered "gone".
    """
    device = await devices.get(tx, caller, device_id, needs=Scope.DEVICE_DELETE)
    # First, as enrolling does: whoever redeems one of them just now is waited for, or waits.
    await store.void_unspent(tx, device.id)
    digests = await keys.digests_of_device(tx, device.workspace_id, device.id)
    await devices.bury(tx, device, digests)
    await audit.record(tx, caller, "device.retired", device.id, {"name": device.name})
    await environments.end(tx, device.ref)
    await devices.forget(tx, device)
    tx.announce(keys.topic_of_device(device.id))


async def purge_tokens(tx: Tx, rows: int) -> int:
    """Delete up to ``rows`` tokens that expired a week ago or more; return how many."""
    return await store.delete_before(tx, tx.now - _SPENT_KEPT, rows)
