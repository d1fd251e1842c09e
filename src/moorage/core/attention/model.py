"""Why a device needs somebody."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from moorage.core.config import Astray


class Cause(StrEnum):
    """One reason, the most pressing first."""

    OFFLINE = "offline"
    CLONE_SUSPECTED = "clone_suspected"
    CONFIG_FAILED = "config_failed"
    STREAM_FAILED = "stream_failed"
    SERVICE_FAILED = "service_failed"
    PENDING_APPROVAL = "pending_approval"
    LATE = "late"
    CONFIG_BEHIND = "config_behind"
    NEVER_SEEN = "never_seen"


@dataclass(frozen=True)
class Need:
    """A device that needs somebody.

    Attributes:
        causes: why, the most pressing first; at least one.
        streams, services: which of them failed.
        config: what is wrong with its config, or None.

    """

    device_id: str
    name: str
    causes: Sequence[Cause]
    streams: Sequence[str] = ()
    services: Sequence[str] = ()
    config: Astray | None = None


@dataclass(frozen=True)
class Flags:
    """What other capabilities know to be amiss, by device: few, so they are held all at once.

    ``needs`` are those of them that need somebody, with everything that is amiss with them.
    """

    config: Mapping[str, Astray]
    streams: Mapping[str, Sequence[str]]
    services: Mapping[str, Sequence[str]]
    needs: Mapping[str, Need]


@dataclass(frozen=True)
class Survey:
    """How many devices need somebody, in all and for each reason.

    A device with several reasons is counted with each. ``flags`` are for reading on.
    """

    total: int
    counts: Mapping[Cause, int]
    flags: Flags
