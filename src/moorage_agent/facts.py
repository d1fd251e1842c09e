"""What this machine is. Whatever cannot be known is left out, nothing is made up."""

from __future__ import annotations

import functools
import os
import platform
import shutil
import subprocess
import time
import uuid
from typing import Any, Dict, Optional

from moorage_agent import __version__

_NVIDIA = ("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")


def boot_id() -> str:
    """Return an id of this boot; a random one where the system has none."""
    return read("/proc/sys/kernel/random/boot_id") or str(uuid.uuid4())


def uptime_s() -> Optional[int]:
    """Return seconds since boot."""
    text = read("/proc/uptime")
    return None if text is None else int(float(text.split()[0]))


def collect(folder: str, ip_address: Optional[str]) -> Dict[str, Any]:
    """Return the facts, named like Python's ``platform``. ``folder``: whose disk to measure."""
    told = {
        "agent_version": __version__,
        "hostname": platform.node() or None,
        "platform": platform.system() or None,
        "platform_release": platform.release() or None,
        "platform_version": platform.version() or None,
        "architecture": platform.machine() or None,
        "device_type": _device_type(),
        "hardware": {
            "processor": platform.processor() or platform.machine() or None,
            "gpu": _gpu(),
            "total_memory_mb": _memory_mb(),
            "total_disk_space_mb": shutil.disk_usage(folder).total // 2**20,
        },
        "ip_address": ip_address,
        "mac_address": _mac_address(),
        "timezone": time.tzname[0] or None,
    }
    return {name: value for name, value in told.items() if value is not None}


def read(path: str) -> Optional[str]:
    """Return a small file's text, or None."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(65536).strip("\x00 \n") or None
    except OSError:
        return None


def _device_type() -> str:
    if os.path.exists("/etc/nv_tegra_release"):
        return "jetson"
    model = read("/proc/device-tree/model") or ""
    if "raspberry pi" in model.lower():
        return "raspberry-pi"
    return platform.system().lower() or "unknown"


@functools.lru_cache(maxsize=None)
def _gpu() -> Optional[str]:
    if shutil.which(_NVIDIA[0]) is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command
            _NVIDIA, check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=5
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    names = done.stdout.decode("utf-8", "replace").strip().splitlines()
    return names[0] if done.returncode == 0 and names else None


def _memory_mb() -> Optional[int]:
    for line in (read("/proc/meminfo") or "").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) // 1024
    return None


def _mac_address() -> Optional[str]:
    node = uuid.getnode()
    if node >> 40 & 1:  # the multicast bit: a number made up for want of a real one
        return None
    return ":".join("%02x" % (node >> shift & 255) for shift in range(40, -8, -8))
