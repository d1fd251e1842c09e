"""What a workspace is."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Feature(StrEnum):
    """Parts of the product a workspace may have switched on."""

    DEVICE_AIO = "deviceAio"
    ROBOFLOW_LITE_MODE = "roboflowLiteMode"


@dataclass(frozen=True)
class Workspace:
    """A tenant. ``id`` is ``acc_`` + 24 hex; ``slug`` stands in URLs and never changes."""

    id: str
    slug: str
    name: str
    features: frozenset[Feature]
    created_at: datetime
