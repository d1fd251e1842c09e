"""Whether the server has what it acknowledged: its ledger held against what devices remember."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from moorage.sdk import AsyncMoorage, ledger
from moorage.sdk.models import Point
from moorage.simulator.fleet import Member

_MOST_TOLD = 20


@dataclass
class Verified:
    """What was found. ``lost`` were acknowledged and are not there, ``twice`` are there twice."""

    devices: int = 0
    reports: int = 0
    lost: int = 0
    twice: int = 0
    findings: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return the figures, and the first findings."""
        return {
            "devices": self.devices,
            "reports": self.reports,
            "lost": self.lost,
            "twice": self.twice,
            "findings": self.findings[:_MOST_TOLD],
        }


async def verify(
    fleet: AsyncMoorage, members: Sequence[Member], on_verified: Callable[[], None]
) -> Verified:
    """Ask for the ledger of each device. Raises as the client does.

    The chain proves it: with the value that the device has after its last acknowledged report, the
    server has every report before that, byte for byte and in order.
    """
    found = Verified()
    for member in members:
        pages = [page async for page in fleet.devices.reports(member.device_id).pages()]
        _judge(found, member, ledger.read(pages))
        on_verified()
    return found


def _judge(found: Verified, member: Member, kept: ledger.Ledger) -> None:
    proofs = member.device.memory.proofs
    expected = {
        Point(epoch=epoch, sequence=proof.sequence): proof.chain for epoch, proof in proofs.items()
    }
    outcome = ledger.verify(kept, expected)
    rows = [(row.epoch, row.sequence) for row in kept.rows]
    there = set(rows)
    missing = sum(
        (epoch, sequence) not in there
        for epoch, proof in proofs.items()
        for sequence in range(1, proof.sequence + 1)
    )
    found.devices += 1
    found.reports += len(there)
    found.twice += len(rows) - len(there)
    if not outcome.holds:
        found.lost += max(missing, 1)
        name = member.device.name
        found.findings += [f"{name}: {one.kind}: {one.detail}" for one in outcome.findings]
