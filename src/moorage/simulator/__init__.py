"""Virtual devices: the agent's own decisions, many in one process, through the real HTTP API.

Knows the server by that API only. ``behaviour``, ``memory`` and ``device`` know no network at all.
"""

from moorage.simulator.account import Account
from moorage.simulator.behaviour import Fate, Nature
from moorage.simulator.client import Client
from moorage.simulator.device import VirtualDevice
from moorage.simulator.enrolment import SimulationFailed
from moorage.simulator.memory import Memory, Place
from moorage.simulator.profiles import PROFILES, Profile
from moorage.simulator.running import Options, Outcome, Progress, Simulation
from moorage.simulator.sending import Answer, Request, Unreachable, device_time, now

__all__ = [
    "PROFILES",
    "Account",
    "Answer",
    "Client",
    "Fate",
    "Memory",
    "Nature",
    "Options",
    "Outcome",
    "Place",
    "Profile",
    "Progress",
    "Request",
    "Simulation",
    "SimulationFailed",
    "Unreachable",
    "VirtualDevice",
    "device_time",
    "now",
]
