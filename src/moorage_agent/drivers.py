"""What runs services: one interface, of which containers and plain processes are two kinds."""

from __future__ import annotations

from typing import Any, Callable, Dict, NamedTuple, Optional, Protocol, Tuple

from moorage_agent.applying_state import Seen
from moorage_agent.units import Unit, Wanted

# Called from threads, with where a line comes from, its severity if that is known, and its text.
OnLine = Callable[[str, Optional[str], str], None]
# As above, with an event's name, the service, what to say of it, and more about it.
OnEvent = Callable[[str, str, str, Dict[str, Any]], None]

# What a device can lack for a unit.
NO_GPU_RUNTIME = "no_gpu_runtime"
REGISTRY_REFUSED = "registry_refused"
_LONGEST_TEXT = 500


class DriverError(Exception):
    """Why a unit cannot be prepared, started, removed or seen; for people, without secrets.

    ``again``: it may be over by itself, as when a network is away. ``blocked``: what this device
    lacks.
    """

    def __init__(self, text: str, *, again: bool = False, blocked: Optional[str] = None) -> None:
        """Keep the parts, the text shortened."""
        super().__init__(text[:_LONGEST_TEXT])
        self.again = again
        self.blocked = blocked


class Outlook(NamedTuple):
    """What preparing a unit would meet, found without changing anything.

    ``obstacles`` would stop it, ``notes`` would not: each has ``kind`` and ``detail``. ``pulls``:
    bytes to bring from a registry, by what they are of; None: nothing is, or nobody knows how much.
    ``free_bytes``: the room where they would go, if it can be seen.
    """

    obstacles: Tuple[Dict[str, Any], ...] = ()
    notes: Tuple[Dict[str, Any], ...] = ()
    pulls: Optional[Dict[str, int]] = None
    free_bytes: Optional[int] = None


class Driver(Protocol):
    """Every method may take long, is called from any thread, and may raise DriverError.

    No two calls are made for the same unit at a time. Each can be made again: what is done already
    is left as it is.
    """

    name: str

    def want(self, wanted: Wanted) -> None:
        """Take note of the document in force, now and whenever it is another; return at once."""

    def prepare(self, unit: Unit) -> None:
        """Get what starting it needs, without touching what runs."""

    def start(self, unit: Unit, revision: int) -> None:
        """Have it run; what stood there by this name and is another one is gone already."""

    def remove(self, name: str) -> None:
        """Stop what runs by this name and take it away."""

    def restart(self, name: str) -> None:
        """Stop it and start it again as it is."""

    def seen(self) -> Dict[str, Seen]:
        """Return what there is of ours, by name."""

    def stats(self) -> Dict[str, Tuple[Optional[float], Optional[float]]]:
        """Return (CPU in percent of one core, memory in MiB) by name, since the call before."""

    def outlook(self, unit: Unit) -> Outlook:
        """Say what would stop it, and what it would cost."""

    def close(self) -> None:
        """End what cannot go on without this process."""
