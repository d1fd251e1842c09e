"""Check-ins: a sign of life with a few measures, from devices whose protocol has no reports.

They have no identity of their own, so there is no ledger of them: one whose answer was lost and
that comes again is a second sign of life.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from moorage.core import devices, environments, events, keys, telemetry
from moorage.core.caller import DeviceRef
from moorage.core.errors import DomainError
from moorage.ingest.batch import locked_out
from moorage.ingest.room import Room
from moorage.kit.clock import to_ms
from moorage.kit.ids import new_row_id
from moorage.storage import Tx


@dataclass(frozen=True, slots=True)
class Checkin:
    """A check-in on its way in.

    Attributes:
        device: who checks in, by this key.
        told: facts of the device to merge into what is known.
        health: how it says it is, None when it did not.
        measures: of telemetry, by their names there; empty for no sample.
        uptime_s: how long it has been up, in seconds.

    """

    device: DeviceRef
    key_id: str
    key_digest: str
    told: Mapping[str, Any] = field(default_factory=dict)
    health: str | None = None
    measures: Mapping[str, float] = field(default_factory=dict)
    uptime_s: int | None = None


@dataclass(frozen=True, slots=True)
class CheckedIn:
    """What a device that checked in is given: at most the key of its environment, once."""

    edge_key: str | None = field(default=None, repr=False)


_Outcome: TypeAlias = CheckedIn | DomainError


async def write_checkins(tx: Tx, batch: Sequence[Checkin], room: Room) -> list[_Outcome]:
    """Store a batch; return for each what it is given, or its refusal, in their order.

    While there is no room a check-in counts, and its measures are let go.
    """
    # Asked again inside the transaction: a key may have been revoked since the request came in.
    standing = await keys.standing(tx, list({checkin.key_id for checkin in batch}))
    admitted = [checkin for checkin in batch if checkin.key_id in standing]
    latest = {checkin.device.device_id: checkin for checkin in admitted}
    now_ms = to_ms(tx.now)
    await devices.record_heartbeats(
        tx,
        [
            devices.HeartbeatRow(device_id, now_ms, uptime_s=checkin.uptime_s)
            for device_id, checkin in latest.items()
        ],
    )
    samples = [
        _sample(checkin, now_ms) for checkin in admitted if checkin.measures and not room.full
    ]
    if samples:
        await telemetry.append(tx, samples)
    for _, checkin in sorted(latest.items()):
        await _note_told(tx, checkin)
    given = await environments.hand_over(tx, sorted(latest)) if latest else {}

    async def outcome(checkin: Checkin) -> _Outcome:
        if checkin.key_id not in standing:
            return await locked_out(tx, checkin.key_digest)
        mine = latest[checkin.device.device_id] is checkin
        return CheckedIn(given.get(checkin.device.device_id) if mine else None)

    return [await outcome(checkin) for checkin in batch]


def _sample(checkin: Checkin, now_ms: int) -> telemetry.SampleRow:
    device_id = checkin.device.device_id
    return telemetry.SampleRow(device_id, now_ms, new_row_id(), None, now_ms, **checkin.measures)


async def _note_told(tx: Tx, checkin: Checkin) -> None:
    """Merge what was told; how the device is, is an event when it changes."""
    told = dict(checkin.told)
    if checkin.health is not None:
        told["health"] = checkin.health
    if not told:
        return
    before = await devices.record_facts(tx, checkin.device, told)
    if checkin.health is None or before.get("health", "healthy") == checkin.health:
        return
    said = events.EventText(
        "device.health_changed",
        f"the device says it is {checkin.health}",
        metadata={"health": checkin.health, "before": before.get("health")},
    )
    await events.record(tx, checkin.device, said)
