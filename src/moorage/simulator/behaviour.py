"""What a virtual device measures, runs, says and suffers: pure functions of its seed.

Each is drawn anew for its own number, so it is the same whatever the network did in between.
"""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from moorage.simulator.profiles import Faults, Profile

# A wave of an hour at the usual interval of 30 s.
_WAVE_SAMPLES = 120
_FEVER = {"cpu_percent": 35.0, "temperature_c": 21.0}
_LINES = (
    "cycle finished",
    "configuration is unchanged",
    "uplink is steady",
    "buffer flushed",
    "watchdog answered",
)
_WARNINGS = (
    "a frame came late",
    "retrying after a timeout",
    "clock source drifted",
    "queue is filling up",
)
_EVENTS = (
    ("motion.detected", "something moved in view"),
    ("storage.rotated", "the oldest segment was let go"),
    ("link.changed", "the link came up at another speed"),
)


class Fate(StrEnum):
    """What becomes of one sending."""

    DELIVER = "deliver"
    # The server has it, the device never hears so.
    LOSE_ANSWER = "lose_answer"
    # The connection breaks; whether the server has it nobody knows.
    CUT = "cut"


@dataclass(frozen=True)
class Nature:
    """One device: its profile and what its chances are drawn from."""

    profile: Profile
    seed: int
    number: int

    def drawn(self, purpose: str, turn: int) -> random.Random:
        """Return chances for one turn of one purpose."""
        text = f"{self.seed}/{self.profile.name}/{self.number}/{purpose}/{turn}"
        return random.Random(text)  # noqa: S311 - a model of the world, nothing secret


def sample(nature: Nature, turn: int, *, faulty: bool) -> dict[str, float]:
    """Return one telemetry sample, without its time."""
    luck = nature.drawn("sample", turn)
    phase = (nature.number % _WAVE_SAMPLES) / _WAVE_SAMPLES
    wave = math.sin(2 * math.pi * (turn / _WAVE_SAMPLES + phase))
    figures = {}
    for name, level in nature.profile.levels.items():
        value = level.base + level.swing * wave + luck.gauss(0, level.noise)
        value += _FEVER.get(name, 0.0) if faulty else 0.0
        most = 100.0 if name.endswith("_percent") else math.inf
        figures[name] = round(min(max(value, 0.0), most), 1)
    return figures


def log_lines(nature: Nature, turn: int) -> list[dict[str, str]]:
    """Return the lines that come with a sample, without their time."""
    luck = nature.drawn("logs", turn)
    service = nature.profile.services[0] if nature.profile.services else "agent"
    lines = []
    for _ in range(_count(nature.profile.log_lines, luck)):
        bad = luck.random() < nature.profile.warnings
        lines.append(
            {
                "service": service,
                "severity": "warning" if bad else "info",
                "message": luck.choice(_WARNINGS if bad else _LINES),
            }
        )
    return lines


def events(nature: Nature, turn: int) -> list[tuple[str, str]]:
    """Return what happened since the sample before: names and sentences."""
    luck = nature.drawn("events", turn)
    return [luck.choice(_EVENTS) for _ in range(_count(nature.profile.events, luck))]


def streams(
    nature: Nature, turn: int, states: Mapping[str, str], *, faulty: bool
) -> list[dict[str, Any]]:
    """Return what the streams do; ``states`` are those that were told to be otherwise."""
    luck = nature.drawn("streams", turn)
    told = []
    for name in nature.profile.streams:
        status = states.get(name, "running")
        one: dict[str, Any] = {"id": name, "status": status, "pipeline_id": "virtual"}
        if status == "running" and faulty:
            one |= {"status": "error", "error": "the camera does not answer", "camera_fps": 0.0}
        elif status == "running":
            camera = nature.profile.fps * (1 - abs(luck.gauss(0, 0.02)))
            one |= {
                "camera_fps": round(camera, 1),
                "inference_fps": round(camera * luck.uniform(0.85, 0.97), 1),
                "sharpness": round(luck.uniform(0.7, 0.9), 2),
            }
        told.append(one)
    return told


def services(nature: Nature, turn: int, *, faulty: bool) -> list[dict[str, Any]]:
    """Return what the services do."""
    luck = nature.drawn("services", turn)
    told = []
    for at, name in enumerate(nature.profile.services):
        broken = faulty and at == 0
        one: dict[str, Any] = {
            "name": name,
            "state": "failed" if broken else "running",
            "image": f"virtual/{name}:1",
            "restarts": 1 if broken else 0,
            "cpu_percent": round(luck.uniform(2, 30), 1),
            "memory_mb": round(luck.uniform(60, 400)),
        }
        if broken:
            one["error"] = "ended with code 1"
        told.append(one)
    return told


def facts(nature: Nature, hostname: str) -> dict[str, Any]:
    """Return what the device tells of itself when it starts."""
    high, low = divmod(nature.number % 65_536, 256)
    return {
        "agent_version": "virtual",
        "hostname": hostname,
        "platform": "Virtual",
        "device_type": nature.profile.name,
        "architecture": "aarch64",
        # Documentation's own networks: nobody's real address is claimed.
        "ip_address": f"192.0.2.{low}",
        "mac_address": f"02:00:5e:00:{high:02x}:{low:02x}",
        "hardware": {"processor": "virtual", "total_memory_mb": 4096},
    }


def fate(nature: Nature, turn: int) -> Fate:
    """Return what becomes of a device's sending number ``turn``."""
    faults = nature.profile.faults
    chance = nature.drawn("fate", turn).random()
    if chance < faults.cut:
        return Fate.CUT
    return Fate.LOSE_ANSWER if chance < faults.cut + faults.lose_answer else Fate.DELIVER


def outage_at(nature: Nature, intervals: float) -> float | None:
    """Return when the outage that holds so many intervals after the start ends, counted alike.

    None when there is none. The first comes after two intervals at the soonest.
    """
    faults = nature.profile.faults
    if faults.outage is None:
        return None
    up = faults.every - faults.lasts
    shift = 0 if faults.together else nature.drawn("outage", 0).randrange(up - 1)
    cycle, at = divmod(intervals + shift, faults.every)
    return None if at < up else (cycle + 1) * faults.every - shift


def next_outage(nature: Nature, intervals: float) -> float:
    """Return when the next outage begins, in intervals after the start; infinity for never."""
    faults: Faults = nature.profile.faults
    if faults.outage is None:
        return math.inf
    up = faults.every - faults.lasts
    shift = 0 if faults.together else nature.drawn("outage", 0).randrange(up - 1)
    cycle, at = divmod(intervals + shift, faults.every)
    return (cycle if at < up else cycle + 1) * faults.every + up - shift


def first_after(nature: Nature) -> float:
    """Return when the first report is made, in intervals after the start: 0 to 1."""
    faults = nature.profile.faults
    return 0.0 if faults.together else nature.drawn("first", 0).random()


def _count(mean: float, luck: random.Random) -> int:
    """Draw a count with this mean: its whole part, and one more by chance."""
    whole = int(mean)
    return whole + (luck.random() < mean - whole)
