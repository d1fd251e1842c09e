"""What a workspace is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Feature(StrEnum):
    """Parts of the product a workspace may have switched on."""

    DEVICE_AIO = "deviceAio"
    ROBOFLOW_LITE_MODE = "roboflowLiteMode"


@dataclass(frozen=True)
class KeptDays:
    """How many days one kind of rows is kept, and what a workspace may choose instead."""

    days: float
    least: float
    most: float

    def of(self, chosen: float | None) -> float:
        """Return the days that hold for a choice, also one made under other bounds."""
        return self.days if chosen is None else min(max(chosen, self.least), self.most)


@dataclass(frozen=True)
class Workspace:
    """A tenant. ``id`` is ``acc_`` + 24 hex; ``slug`` stands in URLs and never changes.

    ``retention`` are the days it chose itself, by the kind of rows (``logs_days``).
    """

    id: str
    slug: str
    name: str
    features: frozenset[Feature]
    created_at: datetime
    retention: Mapping[str, float] = field(default_factory=dict)
