"""What this device itself allows and has: options by environment, and what runs things here."""

from __future__ import annotations

import uuid
from typing import List

from moorage_agent.containers import Containers
from moorage_agent.drivers import Driver
from moorage_agent.logs import Collector
from moorage_agent.processes import Processes
from moorage_agent.runner_choice import Streams
from moorage_agent.store import Store


def drivers(store: Store, folder: str, collector: Collector) -> List[Driver]:
    """Return what runs services on this device; ``folder`` is the agent's."""
    agent = store.get("agent")
    if agent is None:
        # Stays when the device is enrolled anew: what runs is to be found again.
        agent = uuid.uuid4().hex
        store.put(agent=agent)
    device = store.get("device_id") or ""
    return [
        Processes(folder, collector.line),
        Containers(folder, agent, device, collector.line),
    ]


def streams(folder: str, collector: Collector) -> Streams:
    """Return what runs streams on this device."""
    return Streams(collector.line, folder=folder)
