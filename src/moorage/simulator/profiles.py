"""Kinds of virtual devices, as data: what they measure, run and say, and how they fail."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal


@dataclass(frozen=True)
class Level:
    """A measure over time: a slow wave of ``swing`` about ``base``, with ``noise`` on it."""

    base: float
    swing: float
    noise: float


@dataclass(frozen=True)
class Faults:
    """How a device fails; spans are counted in report intervals.

    ``cut`` and ``lose_answer`` are chances of one sending: the connection breaks once the request
    is out, or the server has the report and its answer is lost. An outage comes every so many
    intervals: of the network, while the device goes on measuring, or of the power. ``together``:
    all devices of the profile have it at one time, and are back at one time.
    """

    cut: float = 0.0
    lose_answer: float = 0.0
    outage: Literal["network", "power"] | None = None
    every: int = 0
    lasts: int = 0
    together: bool = False


@dataclass(frozen=True)
class Profile:
    """A kind of device.

    ``levels`` are by the names that telemetry has in a report. ``log_lines`` and ``events`` are
    how many come with a sample on average, ``warnings`` the share of lines that are warnings.
    """

    name: str
    levels: Mapping[str, Level]
    streams: tuple[str, ...] = ()
    fps: float = 0.0
    services: tuple[str, ...] = ()
    log_lines: float = 0.2
    warnings: float = 0.05
    events: float = 0.002
    faults: Faults = field(default_factory=Faults)


_DISK: Final = Level(41, 2, 0.05)
_CAMERA: Final = {
    "cpu_percent": Level(46, 12, 5),
    "memory_percent": Level(58, 4, 1),
    "disk_percent": _DISK,
    "gpu_percent": Level(64, 18, 6),
    "temperature_c": Level(57, 6, 0.8),
    "network_upload_bytes_per_sec": Level(310_000, 90_000, 30_000),
    "network_download_bytes_per_sec": Level(2_400_000, 500_000, 120_000),
}
_METER: Final = {
    "cpu_percent": Level(4, 1.5, 0.8),
    "memory_percent": Level(31, 1, 0.3),
    "disk_percent": _DISK,
    "temperature_c": Level(34, 7, 0.3),
    "network_upload_bytes_per_sec": Level(420, 60, 40),
    "network_download_bytes_per_sec": Level(180, 20, 20),
}
_GATEWAY: Final = {
    "cpu_percent": Level(24, 15, 6),
    "memory_percent": Level(63, 8, 1.5),
    "disk_percent": Level(66, 3, 0.1),
    "temperature_c": Level(49, 5, 0.6),
    "network_upload_bytes_per_sec": Level(95_000, 60_000, 15_000),
    "network_download_bytes_per_sec": Level(140_000, 70_000, 20_000),
}

PROFILES: Final[Mapping[str, Profile]] = {
    one.name: one
    for one in (
        Profile(
            "camera",
            _CAMERA,
            streams=("entrance", "yard"),
            fps=15.0,
            services=("inference-server",),
            log_lines=0.5,
        ),
        Profile("meter", _METER, log_lines=0.05, events=0.0005),
        Profile(
            "gateway",
            _GATEWAY,
            services=("broker", "collector", "modbus", "uplink"),
            log_lines=1.5,
            warnings=0.08,
        ),
        Profile(
            "flaky",
            _CAMERA,
            streams=("dock",),
            fps=10.0,
            services=("inference-server",),
            log_lines=0.8,
            warnings=0.3,
            events=0.02,
            faults=Faults(cut=0.04, lose_answer=0.08, outage="network", every=16, lasts=5),
        ),
        Profile(
            "storm",
            _METER,
            log_lines=0.05,
            faults=Faults(outage="power", every=6, lasts=2, together=True),
        ),
    )
}
