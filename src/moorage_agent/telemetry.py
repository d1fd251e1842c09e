"""What this machine does right now, in percent, degrees Celsius and bytes per second."""

from __future__ import annotations

import glob
import os
import time
from typing import Dict, List, Optional, Tuple

from moorage_agent.facts import output_of, read

_NVIDIA = ("nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits")
_NVIDIA_WITHIN_S = 2.0
# A tool that is absent, hangs or fails is not asked at every interval.
_NVIDIA_AGAIN_S = 600.0
_PLAUSIBLE_C = (-40.0, 150.0)


class Probe:
    """Takes samples. Rates are means since the sample before; the first has none."""

    def __init__(self, folder: str) -> None:
        """Measure the disk that ``folder`` is on."""
        self._folder = folder
        self._no_gpu_before = 0.0
        self._cpu = _cpu_times()
        self._network = _network_bytes()
        self._network_at = time.monotonic()

    def sample(self) -> Dict[str, Optional[float]]:
        """Return one sample; null is unknown."""
        upload, download = self._network_rates()
        return {
            "cpu_percent": self._cpu_percent(),
            "memory_percent": _memory_percent(),
            "disk_percent": self._disk_percent(),
            "gpu_percent": self._gpu_percent(),
            "temperature_c": _temperature(),
            "network_upload_bytes_per_sec": upload,
            "network_download_bytes_per_sec": download,
        }

    def _cpu_percent(self) -> Optional[float]:
        before, self._cpu = self._cpu, _cpu_times()
        if before is None or self._cpu is None:
            return None
        total = self._cpu[0] - before[0]
        return None if total <= 0 else _percent(self._cpu[1] - before[1], total)

    def _network_rates(self) -> Tuple[Optional[float], Optional[float]]:
        before, at = self._network, self._network_at
        self._network, self._network_at = _network_bytes(), time.monotonic()
        seconds = self._network_at - at
        if before is None or self._network is None or seconds <= 0:
            return None, None
        # An interface that went away takes its count along; that is no negative rate.
        upload, download = (max(new - old, 0) for new, old in zip(self._network, before))
        return round(upload / seconds, 1), round(download / seconds, 1)

    def _disk_percent(self) -> Optional[float]:
        try:
            disk = os.statvfs(self._folder)
        except OSError:
            return None
        used = disk.f_blocks - disk.f_bfree
        return _percent(used, used + disk.f_bavail)

    def _gpu_percent(self) -> Optional[float]:
        now = time.monotonic()
        if now < self._no_gpu_before:
            return None
        try:
            # With several, the busiest: that is the one somebody waits for.
            figures = [float(line) for line in (output_of(_NVIDIA, _NVIDIA_WITHIN_S) or "").split()]
        except ValueError:
            figures = []
        if not figures:
            self._no_gpu_before = now + _NVIDIA_AGAIN_S
            return None
        return _percent(max(figures), 100.0)


def _percent(part: float, whole: float) -> Optional[float]:
    return None if whole <= 0 else round(min(max(100.0 * part / whole, 0.0), 100.0), 1)


def _cpu_times() -> Optional[Tuple[int, int]]:
    """Return (all, busy) in ticks."""
    line = (read("/proc/stat") or "").split("\n", 1)[0].split()
    if len(line) < 5 or line[0] != "cpu":
        return None
    ticks = [int(part) for part in line[1:9]]
    idle = ticks[3] + (ticks[4] if len(ticks) > 4 else 0)
    return sum(ticks), sum(ticks) - idle


def _memory_percent() -> Optional[float]:
    sizes: Dict[str, int] = {}
    for line in (read("/proc/meminfo") or "").splitlines():
        name, _, rest = line.partition(":")
        if name in ("MemTotal", "MemAvailable"):
            sizes[name] = int(rest.split()[0])
    if len(sizes) < 2:
        return None
    return _percent(sizes["MemTotal"] - sizes["MemAvailable"], sizes["MemTotal"])


def _network_bytes() -> Optional[Tuple[int, int]]:
    """Return bytes (sent, received) over all interfaces but the loopback."""
    text = read("/proc/net/dev")
    if text is None:
        return None
    sent = received = 0
    for line in text.splitlines()[2:]:
        name, _, rest = line.partition(":")
        columns = rest.split()
        if name.strip() != "lo" and len(columns) > 8:
            received += int(columns[0])
            sent += int(columns[8])
    return sent, received


def _temperature() -> Optional[float]:
    """Return the hottest plausible thermal zone."""
    found: List[float] = []
    for path in glob.glob("/sys/class/thermal/thermal_zone*/temp"):
        try:
            found.append(int(read(path) or "") / 1000.0)
        except ValueError:
            continue
    plausible = [t for t in found if _PLAUSIBLE_C[0] < t < _PLAUSIBLE_C[1]]
    return round(max(plausible), 1) if plausible else None
