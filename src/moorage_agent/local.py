"""What this device itself allows and has: options by environment, and what runs things here."""

from __future__ import annotations

from typing import List

from moorage_agent.drivers import Driver
from moorage_agent.logs import Collector
from moorage_agent.processes import Processes
from moorage_agent.runner_choice import Streams


def drivers(folder: str, collector: Collector) -> List[Driver]:
    """Return what runs services on this device; ``folder`` is the agent's."""
    return [Processes(folder, collector.line)]


def streams(folder: str, collector: Collector) -> Streams:
    """Return what runs streams on this device."""
    return Streams(collector.line, folder=folder)
