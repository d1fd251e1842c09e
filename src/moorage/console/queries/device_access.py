"""What the tabs Keys and Access of a device read."""

from moorage.console.contexts.add import Bundle, Command
from moorage.console.contexts.device_access import Access, EnvironmentShown, Keys, KeyShown
from moorage.console.contexts.device_action import Spelled
from moorage.console.queries.add import file_name, tried_of
from moorage.console.queries.device import frame
from moorage.core import devices, environments, provisioning
from moorage.core.caller import Caller
from moorage.core.environments import Environment, State
from moorage.core.keys import Key
from moorage.storage import Tx

_WORDS = {
    State.RESERVED: "is being made for it",
    State.PENDING: "is to be made; it is tried again until it is",
    State.READY: "is there",
    State.REFUSED: "was refused; something must be changed first",
    State.ENDING: "is being removed",
}


async def show_keys(tx: Tx, caller: Caller, device_id: str, *, text: str | None = None) -> Keys:
    """Read the tab Keys (``device:read``). ``text`` is a key just made."""
    head = await frame(tx, caller, device_id)
    found = await provisioning.list_keys(tx, caller, device_id)
    return Keys(
        frame=head,
        keys=[_key(one) for one in found],
        rotate=Spelled(
            "POST",
            f"/v1/devices/{device_id}/keys/rotate",
            cli=f"device rotate-key {device_id}",
            sdk=f"print(fleet.devices.rotate_key({device_id!r}).device_key)",
        ),
        lock=_approval(device_id, "rejected"),
        unlock=_approval(device_id, "approved"),
        text=text,
    )


def _key(one: Key) -> KeyShown:
    state = "works" if one.works else "revoked" if one.revoked_at else "locked"
    since = one.revoked_at or one.disabled_at
    return KeyShown(one.id, one.prefix, one.created_at, one.created_by, state, since)


def _approval(device_id: str, approval: str) -> Spelled:
    return Spelled(
        "PATCH",
        f"/v1/devices/{device_id}",
        body={"approval": approval},
        cli=f"device update {device_id} --approval {approval}",
        sdk=f"fleet.devices.update({device_id!r}, approval={approval!r})",
    )


async def show_access(tx: Tx, caller: Caller, device_id: str, *, managed: bool) -> Access:
    """Read the tab Access (``device:read``)."""
    head = await frame(tx, caller, device_id)
    device = await devices.get(tx, caller, device_id)
    found = await environments.find(tx, device.id)
    return Access(
        frame=head,
        command=Command(device.id),
        bundle=Bundle(device.id, file_name(device)),
        tried=[tried_of(one) for one in await provisioning.list_attempts(tx, caller, device_id)],
        environment=None if found is None else _environment(found),
        managed=managed,
        released_at=device.released_at,
        release=Spelled(
            "POST",
            f"/v1/devices/{device_id}/release",
            cli=f"device release {device_id}",
            sdk=f"fleet.devices.release({device_id!r})",
        ),
        attempts=Spelled(
            "GET",
            f"/v1/devices/{device_id}/attempts",
            cli=f"device attempts {device_id}",
            sdk=f"for attempt in fleet.devices.attempts({device_id!r}):\n        print(attempt)",
        ),
    )


def _environment(found: Environment) -> EnvironmentShown:
    return EnvironmentShown(
        str(found.state),
        _WORDS[found.state],
        found.endpoint_id,
        found.error,
        found.handed_over_at,
        found.tries,
    )
