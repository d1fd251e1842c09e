"""CPU and memory of the processes that take part in a run.

A PostgreSQL is its postmaster with all that it started, those that ended included. Memory of
several processes is the sum of their shares where the system tells them (Linux: PSS, so that what
they share counts once), else of what is resident.
"""

import psutil

MB = 2**20


class Processes:
    """Those named, each with all that it started, from now on."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._named = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._before = {name: _cpu_s(one) for name, one in self._named.items()}

    def since(self) -> dict[str, dict[str, float]]:
        """``cpu_s`` since the beginning, and ``mb`` now, of each."""
        return {
            name: {"cpu_s": _cpu_s(one) - self._before[name], "mb": _bytes(one) / MB}
            for name, one in self._named.items()
        }


def _cpu_s(process: psutil.Process) -> float:
    """Seconds of it, of those that it waited for, and of those that still run."""
    own = process.cpu_times()
    seconds = own.user + own.system + own.children_user + own.children_system
    for child in process.children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        seconds += times.user + times.system
    return float(seconds)


def _bytes(process: psutil.Process) -> int:
    children = process.children(recursive=True)
    if not children:
        return int(process.memory_info().rss)
    total = 0
    for one in (process, *children):
        try:
            told = one.memory_full_info()
        except psutil.NoSuchProcess:
            continue
        except psutil.AccessDenied:
            told = one.memory_info()
        total += getattr(told, "pss", told.rss)
    return int(total)
