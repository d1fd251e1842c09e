"""What the audit holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Entry:
    """One change: ``actor`` did ``action`` to ``entity_id``. Details hold no secret."""

    id: int
    at: datetime
    actor: str
    action: str
    entity_id: str
    details: Mapping[str, Any]
