"""Redeeming an install token, and letting a device in: what every way of enrolling shares."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from moorage.core import audit, config, devices, events, keys, workspaces
from moorage.core.caller import Caller, DeviceRef
from moorage.core.errors import DomainError, Kind, invalid, not_found
from moorage.core.provisioning import store, tokens
from moorage.core.provisioning.model import DEVICE_KEY_PREFIX, INSTALL_TOKEN_PREFIX, Enrolled
from moorage.core.provisioning.tokens import token_expired, token_invalid
from moorage.kit.ids import key_text_prefix, new_key_text
from moorage.storage import Row, Tx, UniqueViolation


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
    check_proposed(device_key)
    row = await _find(tx, token, lock=True)
    if row is None:
        raise token_invalid()
    if row.spent_at is not None:
        if device_key is None or row.spent_by_digest != keys.digest(device_key):
            raise token_invalid()
        standing = await keys.find_by_text(tx, device_key)
        if standing is None or standing.revoked_at is not None:
            raise token_invalid()
        return await answer(tx, _ref(row), None)
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
    key = chosen_key(device_key)
    if not await store.spend(tx, row.id, keys.digest(key.text)):
        raise token_invalid()
    caller = Caller(row.workspace_id, live=row.live, actor=f"install-token:{row.id}")
    said = events.EventText("device.enrolled", "the device redeemed its install token")
    await let_in(tx, caller, _ref(row), key, told, said)
    return await answer(tx, _ref(row), key.shown)


class ChosenKey(NamedTuple):
    """The text of a device's key, and whether the device proposed it."""

    text: str
    proposed: bool

    @property
    def shown(self) -> str | None:
        """What the device is to be told: None when it proposed the key, for it has it."""
        return None if self.proposed else self.text


def chosen_key(device_key: str | None) -> ChosenKey:
    """Return the key a device proposed, or a new one."""
    return ChosenKey(device_key or new_key_text(DEVICE_KEY_PREFIX), device_key is not None)


def check_proposed(device_key: str | None) -> None:
    """Raise DomainError ``invalid`` unless a device may propose such a key, or none."""
    if device_key is not None and key_text_prefix(device_key) != DEVICE_KEY_PREFIX:
        raise invalid(
            "/device_key",
            "a device key is adk_ + 40 random hex digits + the CRC-32 of all that as 8 hex digits",
        )


async def let_in(  # noqa: PLR0913 - what the ways of enrolling have in common
    tx: Tx,
    caller: Caller,
    device: DeviceRef,
    key: ChosenKey,
    told: Mapping[str, Any],
    said: events.EventText,
) -> None:
    """Give a device its key, and take from it whatever opened it before."""
    key_id = await give_key(tx, caller, device, key, said)
    await keys.revoke_for_device(tx, caller, device.device_id, keep=key_id)
    await store.void_unspent(tx, device.device_id)
    await devices.clear_clone_flag(tx, device)
    if told:
        await devices.record_facts(tx, device, told)
    await devices.mark_seen(tx, [device.device_id])


async def give_key(
    tx: Tx, caller: Caller, device: DeviceRef, key: ChosenKey, said: events.EventText
) -> str:
    """Give a device a key, and return the key's id; nothing else that opens it is looked at."""
    try:
        made = await keys.issue(
            tx,
            caller,
            name=f"Device: {device.device_id}",
            live=device.live,
            device_id=device.device_id,
            text=key.text,
            last=not key.proposed,
        )
    except UniqueViolation:
        raise DomainError(
            Kind.CONFLICT,
            "device_key_taken",
            "this device key is in use already; make a new random one for each enrolment",
        ) from None
    await audit.record(tx, caller, "device.enrolled", device.device_id, {"key_id": made.key.id})
    await events.record(tx, device, said)
    return made.key.id


async def answer(tx: Tx, device: DeviceRef, device_key: str | None) -> Enrolled:
    """Say what a device gets to know that was let in."""
    intervals = await devices.intervals(tx, [device.device_id])
    revisions = await config.current_revisions(tx, [device.device_id])
    workspace = await workspaces.get(tx, device.workspace_id)
    return Enrolled(
        device_id=device.device_id,
        workspace=workspace.slug,
        device_key=device_key,
        report_interval_s=intervals[device.device_id],
        config_revision=revisions[device.device_id],
    )
