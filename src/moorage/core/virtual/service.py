"""Making virtual devices, saying what they are to do, and whose turn it is to drive them."""

from collections.abc import Mapping
from typing import Any

from moorage.core import audit, devices, provisioning, reports
from moorage.core.caller import Caller, Scope
from moorage.core.errors import DomainError, Kind, not_found
from moorage.core.virtual import rules, store
from moorage.core.virtual.model import Action, Driven, Happening, Virtual
from moorage.kit.jsonvalue import check_json
from moorage.storage import Row, Tx, UniqueViolation

TOPIC = "virtual-devices"


async def create(  # noqa: PLR0913 - what can be said of them
    tx: Tx,
    caller: Caller,
    *,
    count: int,
    profile: str,
    name: str | None = None,
    seed: int = 1,
) -> list[Virtual]:
    """Make virtual devices in the caller's mode (``device:update``), enrolled and to be driven.

    Raises:
        DomainError: ``invalid``; ``conflict`` with code ``virtual_devices_full`` beyond 50.

    """
    caller.require(Scope.DEVICE_UPDATE)
    rules.check_profile(profile)
    rules.check_seed(seed)
    free = rules.free_slots(await store.slots(tx, caller.workspace_id), count)
    made = []
    for slot in free:
        registered = await provisioning.register(
            tx,
            caller,
            name=rules.name_of(name, profile, slot, alone=count == 1),
            type=rules.TYPE,
            tags=[rules.TYPE, profile],
        )
        device = registered.device
        token = registered.install_token.text
        enrolled = await provisioning.enroll(tx, token=token, device_key=None, told={})
        row = {"profile": profile, "seed": seed, "slot": slot, "key": enrolled.device_key}
        owned = {
            "device_id": device.id,
            "workspace_id": caller.workspace_id,
            "live": caller.live,
        }
        try:
            await store.insert(tx, {**owned, **row})
        except UniqueViolation:
            # Another request took the slot meanwhile; nothing of this one stays.
            raise _taken() from None
        made.append(Virtual(device, profile, seed, slot, online=True, faulty=False))
    tx.announce(TOPIC)
    return made


def _taken() -> DomainError:
    return DomainError(
        Kind.CONFLICT,
        "virtual_devices_busy",
        "another request made virtual devices at this moment; repeat this one",
    )


async def list_all(tx: Tx, caller: Caller) -> list[Virtual]:
    """List the virtual devices of the caller's mode, by slot (``device:read``)."""
    caller.require(Scope.DEVICE_READ)
    rows = await store.list_rows(tx, caller.workspace_id, live=caller.live)
    # One by one: they are few, and the other devices may be many.
    return [_virtual(await devices.get(tx, caller, row.device_id), row) for row in rows]


async def get(
    tx: Tx, caller: Caller, device_id: str, *, needs: Scope = Scope.DEVICE_READ
) -> Virtual:
    """Return one virtual device. Raises ``not_found``, also for a device that is none."""
    device = await devices.get(tx, caller, device_id, needs=needs)
    row = await store.find(tx, caller.workspace_id, device.id)
    if row is None:
        raise not_found("virtual device")
    return _virtual(device, row)


async def delete(tx: Tx, caller: Caller, device_id: str) -> None:
    """End a virtual device as any other (``device:delete``). Raises ``not_found``."""
    await get(tx, caller, device_id, needs=Scope.DEVICE_DELETE)
    await provisioning.retire(tx, caller, device_id)
    tx.announce(TOPIC)


async def drive(  # noqa: PLR0913 - what can be said of an event
    tx: Tx,
    caller: Caller,
    device_id: str,
    action: Action,
    *,
    event: str | None = None,
    description: str | None = None,
    error_code: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Virtual:
    """Have a virtual device do something (``device:update``).

    ``description`` is the sentence of the event it reports: of ``event``, ``fault`` or ``recover``.

    Raises:
        DomainError: ``not_found``, ``invalid``.

    """
    found = await get(tx, caller, device_id, needs=Scope.DEVICE_UPDATE)
    row = await store.find(tx, caller.workspace_id, device_id, lock=True)
    happenings = [] if row is None else list(row.happenings)
    values: dict[str, Any] = {}
    if action in (Action.ONLINE, Action.OFFLINE):
        values["online"] = action is Action.ONLINE
    else:
        if action is not Action.EVENT:
            values["faulty"] = action is Action.FAULT
        happening = _happening(action, event, description, error_code, metadata or {})
        happenings.append(happening)
        values["happenings"] = happenings[-rules.MOST_HAPPENINGS :]
    await store.update(tx, device_id, values)
    details = {"action": str(action)}
    await audit.record(tx, caller, "virtual_device.driven", device_id, details)
    tx.announce(TOPIC)
    return await get(tx, caller, found.device.id, needs=Scope.DEVICE_UPDATE)


def _happening(
    action: Action,
    event: str | None,
    description: str | None,
    error_code: str | None,
    metadata: Mapping[str, Any],
) -> dict[str, Any]:
    usual = {
        Action.FAULT: ("device.fault", "something broke", "virtual_fault"),
        Action.RECOVER: ("device.recovered", "all is well again", None),
    }
    named, said, code = usual.get(action, ("virtual.event", "it was asked for", None))
    check_json(metadata, "/metadata")
    if action is Action.EVENT and event is not None:
        named = event
    chosen_code = error_code if error_code is not None else code
    return {
        "event": rules.check_word("/event", named),
        "description": rules.check_text(
            "/description", description if description is not None else said
        ),
        "error_code": None if chosen_code is None else rules.check_word("/error_code", chosen_code),
        "metadata": dict(metadata),
    }


def _virtual(device: devices.Device, row: Row) -> Virtual:
    return Virtual(device, row.profile, row.seed, row.slot, online=row.online, faulty=row.faulty)


# --- for the server that drives them


async def any_to_claim(tx: Tx, driver: str) -> bool:
    """Whether a driver has something to drive, or could: without writing to find out."""
    return await store.any_to_take(tx, driver)


async def claim(tx: Tx, driver: str) -> list[Driven]:
    """Take what nobody drives, keep what this driver has, for as long as ``LEASE``; return all.

    What is to be told by them is handed out with this, once.
    """
    rows = await store.take(tx, driver, tx.now + rules.LEASE)
    return [await _driven(tx, row, driver) for row in rows]


async def let_go(tx: Tx, driver: str) -> None:
    """Leave what this driver has to others."""
    await store.let_go(tx, driver)


async def _driven(tx: Tx, row: Row, driver: str) -> Driven:
    caller = Caller(row.workspace_id, live=row.live, actor="system:virtual")
    taken_over = row.driver != driver or row.driven_until is None or row.driven_until <= tx.now
    device = await devices.get(tx, caller, row.device_id)
    epochs = await reports.list_epochs(tx, caller, device.ref) if taken_over else []
    return Driven(
        device_id=device.id,
        name=device.name,
        profile=row.profile,
        seed=row.seed,
        slot=row.slot,
        online=row.online,
        faulty=row.faulty,
        key=tx.vault.open(row.key),
        interval_s=device.interval_s,
        happenings=[Happening(**one) for one in row.happenings],
        taken_over=taken_over,
        epochs=epochs,
    )
