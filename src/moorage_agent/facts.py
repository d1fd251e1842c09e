"""What this machine is. Whatever cannot be known is left out, nothing is made up."""

from __future__ import annotations

import functools
import os
import platform
import shutil
import subprocess
import time
import uuid
from typing import Any, Dict, Optional, Sequence, Tuple

from moorage_agent import __version__

_NVIDIA = ("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
_NVIDIA_WITHIN_S = 5.0
_REFUSED_AGAIN_S = 3600.0


def boot_id() -> str:
    """Return an id of this boot; a random one where the system has none."""
    return read("/proc/sys/kernel/random/boot_id") or str(uuid.uuid4())


def uptime_s() -> Optional[int]:
    """Return seconds since boot."""
    text = read("/proc/uptime")
    return None if text is None else int(float(text.split()[0]))


class Teller:
    """Which facts the next live report brings: all at start and on change, until they are there."""

    def __init__(self, folder: str) -> None:
        """``folder``: whose disk to measure."""
        self._folder = folder
        self._there: Optional[Dict[str, Any]] = None
        self._under_way: Optional[Dict[str, Any]] = None
        self._alone = False
        self._not_before = 0.0

    def tell(self, now: float, ip_address: Optional[str]) -> Tuple[Optional[Dict[str, Any]], bool]:
        """Return facts to tell, or None; and whether they go by themselves."""
        told = collect(self._folder, ip_address)
        if told == self._there or now < self._not_before:
            self._under_way = None
            return None, False
        self._under_way = told
        return told, self._alone

    def acknowledged(self) -> None:
        """Note that the live report under way has arrived."""
        if self._under_way is not None:
            self._there, self._under_way, self._alone = self._under_way, None, False

    def refused(self, now: float) -> None:
        """Note that the server would not take the live report: if facts were in it, so they went.

        They are told again by themselves, so that they cannot take rows with them; and if it was
        them that were wrong, not often.
        """
        if self._under_way is not None:
            if self._alone:
                self._not_before = now + _REFUSED_AGAIN_S
            self._under_way, self._alone = None, True


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
            "processor": _processor(),
            "gpu": _gpu(),
            "total_memory_mb": _memory_mb(),
            "total_disk_space_mb": _disk_mb(folder),
        },
        "ip_address": ip_address,
        "mac_address": _mac_address(),
        "timezone": _timezone(),
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


def output_of(command: Sequence[str], within_s: float) -> Optional[str]:
    """Return what a command prints, or None when it is not there, fails or takes too long.

    A driver in trouble can hold its tool where even SIGKILL does not reach; so that one is left
    behind and not waited for, as ``subprocess.run`` would.
    """
    if shutil.which(command[0]) is None:
        return None
    try:
        process = subprocess.Popen(  # noqa: S603 - fixed commands
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return None
    try:
        printed = process.communicate(timeout=within_s)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        if process.stdout is not None:
            process.stdout.close()
        return None
    return printed.decode("utf-8", "replace").strip() if process.returncode == 0 else None


@functools.lru_cache(maxsize=None)
def _gpu() -> Optional[str]:
    printed = output_of(_NVIDIA, _NVIDIA_WITHIN_S)
    return printed.splitlines()[0][:200] if printed else None


@functools.lru_cache(maxsize=None)
def _processor() -> Optional[str]:
    for line in (read("/proc/cpuinfo") or "").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Hardware") and value.strip():
            return value.strip()
    return platform.processor() or platform.machine() or None


def _disk_mb(folder: str) -> Optional[int]:
    try:
        return shutil.disk_usage(folder).total // 2**20
    except OSError:
        return None


def _timezone() -> Optional[str]:
    """Return the zone's name in the IANA list, else its abbreviation."""
    named = os.environ.get("TZ", "").lstrip(":") or read("/etc/timezone") or ""
    if not named:
        _, found, rest = os.path.realpath("/etc/localtime").partition("/zoneinfo/")
        named = rest if found else ""
    return (named if "/" in named and not named.startswith("/") else time.tzname[0]) or None


def _memory_mb() -> Optional[int]:
    for line in (read("/proc/meminfo") or "").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) // 1024
    return None


def _mac_address() -> Optional[str]:
    """Return the address of the interface that the default route goes by, else of any."""
    for line in (read("/proc/net/route") or "").splitlines()[1:]:
        columns = line.split()
        if len(columns) > 1 and columns[1] == "00000000":
            address = read("/sys/class/net/%s/address" % columns[0])
            if address is not None:
                return address
    node = uuid.getnode()
    if node >> 40 & 1:  # the multicast bit: a number made up for want of a real one
        return None
    return ":".join("%02x" % (node >> shift & 255) for shift in range(40, -8, -8))
