"""Devices that come with a token for many: each makes its own record, or finds it again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moorage.core import config, devices, environments, events, keys, workspaces
from moorage.core.caller import Caller, DeviceRef
from moorage.core.devices import Approval, Device
from moorage.core.errors import DomainError, Kind
from moorage.core.provisioning import rules, store, token_store, tokens
from moorage.core.provisioning.enrolment import (
    ChosenKey,
    answer,
    check_proposed,
    chosen_key,
    give_key,
    let_in,
)
from moorage.core.provisioning.model import (
    Attempt,
    Enrolled,
    Newcomer,
    Policy,
    ProvisioningToken,
)
from moorage.core.provisioning.tokens import token_invalid
from moorage.storage import Tx

DEVICE_EXISTS = "device_exists"


@dataclass(frozen=True)
class Reserved:
    """An environment that was made for a device that is yet to be, and the id it will have."""

    device_id: str
    made: environments.Made


async def provision(  # noqa: PLR0913 - what a device may bring along
    tx: Tx,
    *,
    token: str,
    device_key: str | None,
    newcomer: Newcomer,
    told: Mapping[str, Any],
    address: str | None = None,
    with_environment: bool = False,
    reserved: Reserved | None = None,
) -> Enrolled | DomainError:
    """Enrol a device by a token for many: its record is made, or found by its own id.

    Spending the token, the record and its key are one transaction; a refusal spends nothing. The
    same token with the same proposed key is answered again. ``with_environment``: it is to
    have one; ``reserved`` is one that was made for a new record beforehand, and its id.

    Returns:
        What the device gets to know; or the refusal of hardware that is known already (code
        ``device_exists``), to be raised after the commit: that a copy came is kept.

    Raises:
        DomainError: ``invalid``; ``unauthenticated`` with code ``token_invalid`` or
            ``token_expired``; ``conflict`` with code ``device_exists`` when another transaction
            made that device a moment earlier: asked again, it is known.

    """
    check_proposed(device_key)
    rules.check_external_id(newcomer.external_id)
    found = await tokens.find_token(tx, token)
    actor = f"provisioning-token:{found.id}" if found else ""
    if device_key is not None and found is not None:
        again = await _let_in_before(tx, device_key, actor)
        if again is not None:
            return await answer(tx, again, None)
    usable = tokens.check_usable(tx, found)
    caller = Caller(usable.workspace_id, live=usable.live, actor=actor)
    known = await devices.find_by_external_id(tx, caller, newcomer.external_id)
    if known is not None and not await _may_come_again(tx, known, usable.policy):
        await _note_copy(tx, known, address)
        return device_exists(newcomer.external_id)
    key = chosen_key(device_key)
    if known is not None and (known.released_at is not None or usable.policy is Policy.REPLACE):
        await _let_in_again(tx, caller, known, key, told, with_environment=with_environment)
        enrolled = await answer(tx, known.ref, key.shown)
    else:
        if known is not None:
            await _supersede(tx, caller, known)
        as_id = None if reserved is None else reserved.device_id
        made = await _make(tx, caller, usable, newcomer, told, key, as_id)
        if reserved is not None:
            if not await environments.record_made(tx, reserved.device_id, reserved.made):
                raise _reservation_over()
        elif with_environment:
            await environments.want(tx, made.ref)
        enrolled = await _first_answer(tx, made, key.shown)
    # Last, because on PostgreSQL everybody else with this token waits from here to the commit.
    await tx.flush()
    if not await token_store.spend(tx, usable.id):
        raise token_invalid()
    return enrolled


async def _let_in_again(  # noqa: PLR0913 - what a device may bring along
    tx: Tx,
    caller: Caller,
    known: Device,
    key: ChosenKey,
    told: Mapping[str, Any],
    *,
    with_environment: bool,
) -> None:
    said = events.EventText(
        "device.replaced", "the hardware enrolled again; its earlier key was revoked"
    )
    await let_in(tx, caller, known.ref, key, told, said)
    if with_environment:
        await environments.renew(tx, known.ref)


async def _first_answer(tx: Tx, made: Device, device_key: str | None) -> Enrolled:
    """Say what ``answer`` would of a device just made, of which all is known."""
    home = await workspaces.get(tx, made.workspace_id)
    return Enrolled(
        device_id=made.id,
        workspace=home.slug,
        device_key=device_key,
        report_interval_s=made.interval_s,
        config_revision=config.FIRST_REVISION,
    )


async def reserve_environment(tx: Tx, *, token: str, newcomer: Newcomer, device_id: str) -> bool:
    """Reserve the environment of a device that is about to provision, as its id.

    For servers that provision nobody without one. Returns False when none is to be made beforehand:
    the hardware is known, and whatever comes of it, it makes no new record.

    Raises:
        DomainError: what ``provision`` would refuse the token for.

    """
    rules.check_external_id(newcomer.external_id)
    usable = tokens.check_usable(tx, await tokens.find_token(tx, token))
    caller = Caller(usable.workspace_id, live=usable.live, actor=f"provisioning-token:{usable.id}")
    known = await devices.find_by_external_id(tx, caller, newcomer.external_id)
    if known is not None and usable.policy is not Policy.NEW:
        return False
    await environments.reserve(tx, device_id, workspace_id=usable.workspace_id, live=usable.live)
    return True


async def _let_in_before(tx: Tx, device_key: str, actor: str) -> DeviceRef | None:
    """Return the device this key was proposed for with this token, if its answer was lost."""
    standing = await keys.find_by_text(tx, device_key)
    if standing is None or standing.created_by != actor or not standing.works:
        return None
    if standing.device_id is None:
        return None
    return DeviceRef(standing.device_id, standing.workspace_id, standing.live)


async def _may_come_again(tx: Tx, known: Device, policy: Policy) -> bool:
    if known.approval is not Approval.APPROVED:  # the owner's word stands, whatever a token says
        return False
    if known.released_at is not None:
        return await devices.take_release(tx, known.ref)
    return policy is not Policy.REJECT


async def _note_copy(tx: Tx, known: Device, address: str | None) -> None:
    """Keep that hardware which is enrolled came once more; the oldest such notes go."""
    reason = "hardware with this device's id came with a provisioning token and was refused"
    await store.insert_attempt(tx, known.id, Attempt(tx.now, address, "refused", reason))
    await devices.flag_clone(
        tx,
        known.ref,
        "its id provisioned a second time: a copied disk image, or the same hardware set up anew; "
        "give each device an id of its own, or release this one so that it can come back",
    )


async def _supersede(tx: Tx, caller: Caller, known: Device) -> None:
    await devices.take_external_id(tx, known)
    await keys.revoke_for_device(tx, caller, known.id, keep=None)
    await environments.end(tx, known.ref)
    said = events.EventText(
        "device.superseded", "its hardware enrolled as a new device; this record lost its key"
    )
    await events.record(tx, known.ref, said)


async def _make(  # noqa: PLR0913 - what a device may bring along
    tx: Tx,
    caller: Caller,
    token: ProvisioningToken,
    newcomer: Newcomer,
    told: Mapping[str, Any],
    key: ChosenKey,
    as_id: str | None,
) -> Device:
    try:
        made = await devices.create(
            tx,
            caller,
            id=as_id,
            name=newcomer.name or newcomer.external_id,
            type=token.device_type or devices.DEFAULT_TYPE,
            tags=token.tags,
            external_id=newcomer.external_id,
            told=told,
        )
    except DomainError as error:
        if error.kind is Kind.CONFLICT:
            raise device_exists(newcomer.external_id) from None
        raise
    device = await config.create_first(tx, caller, made, {})
    said = events.EventText("device.enrolled", "the device enrolled with a provisioning token")
    await give_key(tx, caller, made.ref, key, said)
    return device


def _reservation_over() -> DomainError:
    return DomainError(
        Kind.UNAVAILABLE,
        "environment_unavailable",
        "making the device's environment took so long that it was given up; nothing was changed, "
        "try again",
        retry_after_s=30,
    )


def device_exists(external_id: str) -> DomainError:
    """Refuse hardware that is known already."""
    return DomainError(
        Kind.CONFLICT,
        DEVICE_EXISTS,
        f"a device with the id {external_id} is enrolled already; its owner can release it, make a "
        "fresh install token for it, or delete it",
    )
