"""Events of the agent itself, as rows to be kept."""

from __future__ import annotations

import uuid
from typing import Any, Dict

from moorage_agent import clock
from moorage_agent.outbox import Row


def happened(event: str, description: str, metadata: Dict[str, Any]) -> Row:
    """Return an event of this device, of now."""
    row = {
        "id": str(uuid.uuid4()),
        "event": event,
        "entity_type": "device",
        "description": description,
        "metadata": metadata,
    }
    return ("events", clock.now(), row)
