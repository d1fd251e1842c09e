"""Asking for environments, noting what became of them, handing their keys over, ending them.

The manager itself is never called here: whoever calls it takes a turn first (``claim``), calls with
no transaction open, and notes the outcome in another one.
"""

from collections.abc import Sequence

from moorage.core import audit, events
from moorage.core.caller import Caller, DeviceRef
from moorage.core.environments import rules, store
from moorage.core.environments.model import Environment, Made, State
from moorage.core.errors import DomainError, Kind
from moorage.storage import Tx

# Announced when something is to be removed; what is to be made waits for whoever asked.
TOPIC = "environments"
_ACTOR = "system:environments"


async def reserve(tx: Tx, device_id: str, *, workspace_id: str, live: bool) -> None:
    """Note that an environment is about to be made for a device that is yet to be.

    For servers that provision no device without one. What is still reserved after five minutes
    belongs to nobody, and a job ends it.
    """
    await store.insert(
        tx,
        {
            "device_id": device_id,
            "workspace_id": workspace_id,
            "live": live,
            "state": State.RESERVED,
            "next_at": tx.now + rules.RESERVED_FOR,
        },
    )


async def abandon(tx: Tx, device_id: str) -> None:
    """Give up a reservation: its device is not going to be."""
    at = tx.now + rules.SETTLED_AFTER
    await store.move(
        tx, device_id, out_of=[State.RESERVED], values={"state": State.ENDING, "next_at": at}
    )


async def want(tx: Tx, device: DeviceRef) -> None:
    """Ask for an environment; again is the same as once, but tries anew what was refused.

    Whoever asks is expected to bring it up at once, after its commit; a job does if it did not.
    """
    values = {"state": State.PENDING, "next_at": tx.now + rules.HEAD_START, "tries": 0}
    added = await store.insert(
        tx,
        {
            **values,
            "device_id": device.device_id,
            "workspace_id": device.workspace_id,
            "live": device.live,
        },
    )
    if not added:
        again = (State.RESERVED, State.REFUSED)
        await store.move(tx, device.device_id, out_of=again, values=values)


async def renew(tx: Tx, device: DeviceRef) -> None:
    """Ask for a fresh environment: the device's hardware is another, or was wiped.

    The earlier one is removed before: it answers only to the agent that joined it.
    """
    await want(tx, device)
    values = {
        "state": State.PENDING,
        "next_at": tx.now + rules.HEAD_START,
        "tries": 0,
        "edge_key": None,
        "handed_over_at": None,
    }
    await store.move(tx, device.device_id, out_of=[State.READY], values=values)


async def record_made(tx: Tx, device_id: str, made: Made) -> bool:
    """Note that the environment is there; return False when nobody wants it any more.

    Then it is the caller's to remove if there is no row, and a job's if it is ending.
    """
    waiting = (State.RESERVED, State.PENDING, State.REFUSED)
    found = await store.find(tx, device_id)
    if found is None:
        return False
    ready = {
        "state": State.READY,
        "endpoint_id": made.endpoint_id,
        "edge_key": tx.vault.seal(made.edge_key),
        "next_at": None,
        "tries": 0,
        "error": None,
    }
    if not await store.move(tx, device_id, out_of=waiting, values=ready):
        late = {"endpoint_id": made.endpoint_id, "next_at": tx.now}
        await store.move(tx, device_id, out_of=[State.ENDING], values=late)
        return found.state is State.READY and found.endpoint_id == made.endpoint_id
    details = {"endpoint_id": made.endpoint_id}
    await audit.record(tx, _system(found), "environment.made", device_id, details)
    said = events.EventText("environment.ready", "its environment was made", metadata=details)
    await events.record(tx, _ref(found), said)
    return True


async def record_failure(tx: Tx, device_id: str, error: str, *, refused: bool) -> None:
    """Note that a call failed, and when the next is due; ``refused``: none is, by itself."""
    found = await store.find(tx, device_id)
    if found is None or found.state not in (State.PENDING, State.ENDING):
        return
    tries = found.tries + 1
    values = {
        "state": State.REFUSED if refused and found.state is State.PENDING else found.state,
        "tries": tries,
        "next_at": None if refused else tx.now + rules.some_pause(tries),
        "error": error,
    }
    if not await store.move(tx, device_id, out_of=[found.state], values=values):
        return
    if found.state is State.PENDING and (refused or tries == 1):
        code = "environment_refused" if refused else "environment_unavailable"
        said = events.EventText("environment.failed", error, code)
        await events.record(tx, _ref(found), said)


async def find(tx: Tx, device_id: str) -> Environment | None:
    """Return the environment of a device, or None when it has none."""
    return await store.find(tx, device_id)


async def endpoint_of(tx: Tx, device: DeviceRef) -> int:
    """Return the manager's number for a device's environment.

    Raises:
        DomainError: ``conflict`` when there is none, or it is not ready.

    """
    found = await store.find(tx, device.device_id)
    if found is None or found.state is not State.READY or found.endpoint_id is None:
        stands = "has no environment" if found is None else f"has an environment, {found.state}"
        raise DomainError(Kind.CONFLICT, "environment_not_ready", f"this device {stands}")
    return found.endpoint_id


async def find_many(tx: Tx, device_ids: Sequence[str]) -> dict[str, Environment]:
    """Return the environments of devices, by device; those without are left out."""
    return await store.find_many(tx, device_ids) if device_ids else {}


async def hand_over(tx: Tx, device_ids: Sequence[str]) -> dict[str, str]:
    """Return the keys to join with of those devices that wait for one; each is given once."""
    given = {}
    for device_id in sorted(await store.waiting(tx, device_ids)):
        found = await store.find(tx, device_id)
        if found is None or found.handed_over_at is not None or found.edge_key is None:
            continue
        if await note_handed_over(tx, device_id):
            given[device_id] = found.edge_key
    return given


async def note_handed_over(tx: Tx, device_id: str) -> bool:
    """Note that the device was given the key; return False when it was before, or there is none."""
    if not await store.mark_handed_over(tx, device_id):
        return False
    found = await store.find(tx, device_id)
    if found is not None:
        details = {"endpoint_id": found.endpoint_id}
        await audit.record(tx, _system(found), "environment.handed_over", device_id, details)
    return True


async def end(tx: Tx, device: DeviceRef) -> None:
    """Leave a row for a job that removes the environment; nothing when there is none."""
    found = await store.find(tx, device.device_id)
    if found is None or found.state is State.ENDING:
        return
    # Without a number a call may be under way, whose work is not there to be found yet.
    settled = tx.now if found.endpoint_id is not None else tx.now + rules.SETTLED_AFTER
    values = {
        "state": State.ENDING,
        "edge_key": None,
        "next_at": settled,
        "tries": 0,
        "error": None,
    }
    await store.move(tx, device.device_id, out_of=[found.state], values=values)
    tx.announce(TOPIC)


async def claim(tx: Tx, device_id: str) -> Environment | None:
    """Take the turn of an environment that was just asked for, ahead of any job.

    None unless it is to be made, and nobody else is at it or has it on its list for later: two at
    once would remove each other's work when it is renewed.
    """
    latest, until = tx.now + rules.HEAD_START, tx.now + rules.LEASE
    if not await store.take_first_turn(tx, device_id, latest, until):
        return None
    return await store.find(tx, device_id)


async def any_due(tx: Tx) -> bool:
    """Whether there is something to ``claim_due``: without writing to find out."""
    at = await store.next_due(tx)
    return at is not None and at <= tx.now


async def claim_due(tx: Tx, limit: int) -> list[Environment]:
    """Take up to ``limit`` turns that are due: what is to be made, and what is to be removed.

    A turn lasts two minutes; a server that dies in the middle delays it by that much.
    """
    due = await store.find_due(tx, limit)
    claimed = []
    # In one order, so that two servers cannot wait for each other.
    for row in sorted(due, key=lambda row: str(row.device_id)):
        if not await store.take_turn(tx, row.device_id, row.next_at, tx.now + rules.LEASE):
            continue
        expired = {"state": State.ENDING}
        await store.move(tx, row.device_id, out_of=[State.RESERVED], values=expired)
        found = await store.find(tx, row.device_id)
        if found is not None:
            claimed.append(found)
    return claimed


async def retry_refused(tx: Tx) -> int:
    """Give what was refused another turn: the settings may be others now; return how many."""
    return await store.wake_stopped(tx)


async def removed(tx: Tx, device_id: str) -> None:
    """Note that the environment is gone outside: the row goes, too."""
    found = await store.find(tx, device_id)
    if found is not None and await store.delete(tx, device_id, State.ENDING):
        details = {"endpoint_id": found.endpoint_id}
        await audit.record(tx, _system(found), "environment.removed", device_id, details)


def _ref(found: Environment) -> DeviceRef:
    return DeviceRef(found.device_id, found.workspace_id, found.live)


def _system(found: Environment) -> Caller:
    return Caller(found.workspace_id, live=found.live, actor=_ACTOR)
