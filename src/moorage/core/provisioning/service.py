"""Registering, enrolling and retiring devices: what spans several capabilities."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from moorage.core import audit, config, devices, events, keys, workspaces
from moorage.core.caller import Caller, DeviceRef, Scope
from moorage.core.devices import Device
from moorage.core.errors import DomainError, Kind, invalid, not_found
from moorage.core.provisioning import rules, store, token_store, tokens
from moorage.core.provisioning.model import (
    Enrolled,
    InstallToken,
    Newcomer,
    OfflinePayload,
    Policy,
    ProvisioningToken,
    Registered,
)
from moorage.core.provisioning.offline import Signer, sign_payload
from moorage.core.provisioning.tokens import token_expired, token_invalid
from moorage.kit.ids import key_text_prefix, new_id, new_key_text
from moorage.storage import Row, Tx, UniqueViolation

INSTALL_TOKEN_PREFIX = "inst"  # noqa: S105 - how they begin
DEVICE_KEY_PREFIX = "adk"
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
    device = await devices.create(tx, caller, name=name, type=type, tags=tags, reference=reference)
    if copy_of is not None:
        await config.create_copy(tx, caller, device.ref, copy_of.ref)
    else:
        await config.create_first(tx, caller, device.ref, own or {})
    return Registered(device, await _issue_token(tx, caller, device, expires_in))


async def register_bare(
    tx: Tx, caller: Caller, *, name: str | None, reference: str | None
) -> Device:
    """Make a device as ``register`` does, but leave its install token for later, if ever."""
    device = await devices.create(tx, caller, name=name, reference=reference)
    await config.create_first(tx, caller, device.ref, {})
    return device


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


async def rotate_key(tx: Tx, caller: Caller, device_id: str) -> keys.NewKey:
    """Replace a device's key by a new one, at once (``device:update``); its text is shown once.

    Whatever uses the old one is refused from here on, until it is given the new one or enrols anew.
    """
    device = await devices.get(tx, caller, device_id, needs=Scope.DEVICE_UPDATE)
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
    longest = _LONGEST_OFFLINE if offline else _LONGEST_EXPIRY
    if not _SHORTEST_EXPIRY <= expires_in <= longest:
        raise invalid("/expires_in_s", f"the secret lives from 60 seconds to {longest.days} days")
    text = new_key_text(INSTALL_TOKEN_PREFIX)
    await store.void_unspent(tx, device.id, offline=offline)
    token_id = new_id("itk_")
    expires_at = tx.now + expires_in
    await store.insert(
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


async def check_install_token(tx: Tx, text: str) -> None:
    """Raise unless the token, for one device or for many, could be redeemed now.

    Raises:
        DomainError: ``not_found`` for an unknown or spent one, ``gone`` for an expired one.

    """
    gone = DomainError(Kind.GONE, "token_expired", "this install token has expired")
    many = await tokens.find_token(tx, text)
    if many is not None:
        try:
            tokens.check_usable(tx, many)
        except DomainError as error:
            if error.code == "token_expired":
                raise gone from None
            raise not_found("install token (or it was used already)") from None
        return
    row = await _find(tx, text)
    if row is None or row.spent_at is not None:
        raise not_found("install token (or it was used already)")
    if row.expires_at <= tx.now:
        raise gone


async def enroll(
    tx: Tx, *, token: str, device_key: str | None, told: Mapping[str, Any]
) -> Enrolled:
    """Redeem an install token: the device gets its key, earlier keys of it are revoked.

    ``device_key`` is the one the device proposes; the same token with the same key is answered
    again, so a lost answer costs nothing. ``told`` are facts of the device.

    Raises:
        DomainError: ``unauthenticated`` with code ``token_invalid`` or ``token_expired``;
            ``invalid`` or ``conflict`` for the key.

    """
    _check_proposed(device_key)
    row = await _find(tx, token, lock=True)
    if row is None:
        raise token_invalid()
    if row.spent_at is not None:
        if device_key is None or row.spent_by_digest != keys.digest(device_key):
            raise token_invalid()
        standing = await keys.find_by_text(tx, device_key)
        if standing is None or standing.revoked_at is not None:
            raise token_invalid()
        return await _answer(tx, _ref(row), None)
    if row.expires_at <= tx.now:
        raise token_expired()
    return await _redeem(tx, row, device_key, told)


async def _find(tx: Tx, text: str, *, lock: bool = False) -> Row | None:
    if key_text_prefix(text) != INSTALL_TOKEN_PREFIX:
        return None
    return await store.find_by_digest(tx, keys.digest(text), lock=lock)


def _ref(row: Row) -> DeviceRef:
    return DeviceRef(row.device_id, row.workspace_id, row.live)


async def _redeem(tx: Tx, row: Row, device_key: str | None, told: Mapping[str, Any]) -> Enrolled:
    text = device_key or new_key_text(DEVICE_KEY_PREFIX)
    if not await store.spend(tx, row.id, keys.digest(text)):
        raise token_invalid()
    caller = Caller(row.workspace_id, live=row.live, actor=f"install-token:{row.id}")
    said = events.EventText("device.enrolled", "the device redeemed its install token")
    await _let_in(tx, caller, _ref(row), text, told, said)
    return await _answer(tx, _ref(row), None if device_key else text)


async def provision(
    tx: Tx,
    *,
    token: str,
    device_key: str | None,
    newcomer: Newcomer,
    told: Mapping[str, Any],
) -> Enrolled:
    """Enrol a device by a token for many: its record is made, or found by its own id.

    Spending the token, the record and its key are one transaction; a refusal spends nothing. The
    same token with the same proposed key is answered again.

    Raises:
        DomainError: ``invalid``; ``unauthenticated`` with code ``token_invalid`` or
            ``token_expired``; ``conflict`` with code ``device_exists`` for hardware that is known,
            when the token's policy is to reject it.

    """
    _check_proposed(device_key)
    rules.check_external_id(newcomer.external_id)
    found = await tokens.find_token(tx, token)
    actor = f"provisioning-token:{found.id}" if found else ""
    if found is not None and device_key is not None:
        standing = await keys.find_by_text(tx, device_key)
        ours = standing is not None and standing.created_by == actor and standing.device_id
        if standing is not None and ours and standing.revoked_at is None:
            again = DeviceRef(str(standing.device_id), standing.workspace_id, standing.live)
            return await _answer(tx, again, None)
    usable = tokens.check_usable(tx, found)
    caller = Caller(usable.workspace_id, live=usable.live, actor=actor)
    known = await devices.find_by_external_id(tx, caller, newcomer.external_id)
    if known is not None and usable.policy is Policy.REJECT:
        raise device_exists(newcomer.external_id)
    if not await token_store.spend(tx, usable.id):
        raise token_invalid()
    text = device_key or new_key_text(DEVICE_KEY_PREFIX)
    if known is not None and usable.policy is Policy.REPLACE:
        said = events.EventText(
            "device.replaced", "the hardware enrolled again; its earlier key was revoked"
        )
        device = known.ref
    else:
        said = events.EventText("device.enrolled", "the device enrolled with a provisioning token")
        device = await _newcomer_record(tx, caller, usable, newcomer, known)
    await _let_in(tx, caller, device, text, told, said)
    return await _answer(tx, device, None if device_key else text)


async def _newcomer_record(
    tx: Tx, caller: Caller, token: ProvisioningToken, newcomer: Newcomer, known: Device | None
) -> DeviceRef:
    if known is not None:
        await devices.take_external_id(tx, known)
        await keys.revoke_for_device(tx, caller, known.id, keep=None)
        said = events.EventText(
            "device.superseded", "its hardware enrolled as a new device; this record lost its key"
        )
        await events.record(tx, known.ref, said)
    try:
        made = await devices.create(
            tx,
            caller,
            name=newcomer.name or newcomer.external_id,
            type=token.device_type or devices.DEFAULT_TYPE,
            tags=token.tags,
            external_id=newcomer.external_id,
        )
    except DomainError as error:
        if error.kind is Kind.CONFLICT:  # another one of the same id was a moment earlier
            raise device_exists(newcomer.external_id) from None
        raise
    await config.create_first(tx, caller, made.ref, {})
    return made.ref


def device_exists(external_id: str) -> DomainError:
    """Refuse hardware that is known already."""
    return DomainError(
        Kind.CONFLICT,
        "device_exists",
        f"a device with the id {external_id} is enrolled already; its owner can make a fresh "
        "install token for it, or delete it",
    )


def _check_proposed(device_key: str | None) -> None:
    if device_key is not None and key_text_prefix(device_key) != DEVICE_KEY_PREFIX:
        raise invalid(
            "/device_key",
            "a device key is adk_ + 40 random hex digits + the CRC-32 of all that as 8 hex digits",
        )


async def _let_in(  # noqa: PLR0913 - what both ways of enrolling have in common
    tx: Tx,
    caller: Caller,
    device: DeviceRef,
    text: str,
    told: Mapping[str, Any],
    said: events.EventText,
) -> None:
    """Give a device its key, and take from it whatever opened it before."""
    try:
        made = await keys.issue(
            tx,
            caller,
            name=f"Device: {device.device_id}",
            live=device.live,
            device_id=device.device_id,
            text=text,
        )
    except UniqueViolation:
        raise DomainError(
            Kind.CONFLICT,
            "device_key_taken",
            "this device key is in use already; make a new random one for each enrolment",
        ) from None
    await keys.revoke_for_device(tx, caller, device.device_id, keep=made.key.id)
    await store.void_unspent(tx, device.device_id)
    await devices.clear_clone_flag(tx, device)
    if told:
        await devices.record_facts(tx, device, told)
    await devices.mark_seen(tx, [device.device_id])
    await audit.record(tx, caller, "device.enrolled", device.device_id, {"key_id": made.key.id})
    await events.record(tx, device, said)


async def _answer(tx: Tx, device: DeviceRef, device_key: str | None) -> Enrolled:
    workspace = await workspaces.get(tx, device.workspace_id)
    intervals = await devices.intervals(tx, [device.device_id])
    revisions = await config.current_revisions(tx, [device.device_id])
    return Enrolled(
        device_id=device.device_id,
        workspace=workspace.slug,
        device_key=device_key,
        report_interval_s=intervals[device.device_id],
        config_revision=revisions[device.device_id],
    )


async def retire(tx: Tx, caller: Caller, device_id: str) -> None:
    """End a device: its keys at once, its record, what hangs on it (``device:delete``).

    A tombstone stays, so that its reports are answered "gone".
    """
    device = await devices.get(tx, caller, device_id, needs=Scope.DEVICE_DELETE)
    digests = await keys.digests_of_device(tx, device.workspace_id, device.id)
    await devices.bury(tx, device, digests)
    await audit.record(tx, caller, "device.retired", device.id, {"name": device.name})
    await devices.forget(tx, device)


async def purge_tokens(tx: Tx, rows: int) -> int:
    """Delete up to ``rows`` tokens that expired a week ago or more; return how many."""
    return await store.delete_before(tx, tx.now - _SPENT_KEPT, rows)
