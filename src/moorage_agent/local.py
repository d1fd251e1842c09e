"""What this device itself allows and has: options by environment, and what runs things here."""

from __future__ import annotations

import os
import shlex
import shutil
import uuid
from typing import List, Optional

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
        Containers(folder, agent, device, collector.line, on_event=collector.happened),
    ]


def streams(folder: str, collector: Collector) -> Streams:
    """Return what runs streams on this device."""
    return Streams(collector.line, folder=folder)


def reboot_command() -> Optional[List[str]]:
    """Return how this machine is rebooted, or None where its owner has not allowed it.

    MOORAGE_ALLOW_REBOOT=1 allows it; MOORAGE_REBOOT_COMMAND names another command.
    """
    if os.environ.get("MOORAGE_ALLOW_REBOOT") not in ("1", "true", "yes"):
        return None
    told = shlex.split(os.environ.get("MOORAGE_REBOOT_COMMAND", ""))
    if told:
        return told
    return ["systemctl", "reboot"] if shutil.which("systemctl") else ["/sbin/reboot"]


def data_folder(chosen: Optional[str]) -> str:
    """Return the folder of the store: as chosen, by MOORAGE_AGENT_DIR, or by who runs this."""
    if chosen:
        return os.path.abspath(chosen)
    named = os.environ.get("MOORAGE_AGENT_DIR")
    if named:
        return os.path.abspath(named)
    if os.geteuid() == 0:
        return "/var/lib/moorage-agent"
    return os.path.expanduser("~/.local/share/moorage-agent")
