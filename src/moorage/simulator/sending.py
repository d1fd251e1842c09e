"""What a device wants sent, and what came of it."""

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from moorage.simulator.behaviour import Fate
from moorage.simulator.memory import Waiting
from moorage_agent import bodies, clock
from moorage_agent.clock import now
from moorage_agent.transport import Answer

__all__ = ["Answer", "Outcome", "Request", "Unreachable", "device_time", "now"]


class Unreachable(NamedTuple):
    """There was no answer, or none that the device got to see."""

    reason: str


Outcome: TypeAlias = Answer | Unreachable


@dataclass(frozen=True, slots=True)
class Request:
    """What to send, with the device's key; ``lane`` is None for a question about config."""

    method: str
    path: str
    body: bytes
    headers: dict[str, str]
    lane: str | None
    boot: int
    waiting: Waiting | None = None
    fate: Fate = Fate.DELIVER


def device_time(request: Request, now: clock.Instant) -> str:
    """Return the header ``Moorage-Device-Time`` of one sending."""
    at = now if request.waiting is None else request.waiting.at
    return bodies.device_time((at.wall, at.steady, ""), now, "")
