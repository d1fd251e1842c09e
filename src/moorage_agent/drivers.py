"""What runs services: one interface, of which containers and plain processes are two kinds."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Protocol, Tuple

from moorage_agent.applying_state import Seen
from moorage_agent.units import Unit

# Called from threads, with where a line comes from, its severity if that is known, and its text.
OnLine = Callable[[str, Optional[str], str], None]

NO_GPU_RUNTIME = "no_gpu_runtime"
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


class Driver(Protocol):
    """Every method may take long, is called from any thread, and may raise DriverError.

    No two calls are made for the same unit at a time. Each can be made again: what is done already
    is left as it is.
    """

    name: str

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

    def obstacles(self, unit: Unit, mine: bool) -> List[Dict[str, Any]]:  # noqa: FBT001
        """Return what would stop it, found without changing anything: ``kind`` and ``detail``.

        ``mine``: this unit runs here already in an earlier form, so its ports are its own.
        """

    def close(self) -> None:
        """End what cannot go on without this process."""
