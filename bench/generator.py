"""The built-in load generator: one process of `load.py` for every two cores, begun together.

``BENCH_GENERATORS=3`` for another number. The connections are shared out among them.
"""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

from processes import Processes

HERE = Path(__file__).parent
COUNT = int(os.environ.get("BENCH_GENERATORS", "0")) or max(1, (os.cpu_count() or 2) // 2)
END_WITHIN_S = 300

# The clock's readings of `load.py` can be compared: they are the system's, not the process's.


def load(port: int, requests: list[list[bytes]], folder: Path) -> dict[str, Any]:
    """Send each connection's requests one after the other.

    Answers a second, milliseconds from sending a request to its whole answer, counts of statuses
    and of refusals (503; sent again), and the generator's own CPU and MB.
    """
    count = min(COUNT, len(requests))
    files = [folder / f"requests-{at}" for at in range(count)]
    started = [_started(port, requests[at::count], file) for at, file in enumerate(files)]
    try:
        for one in started:
            if one.stdout.readline() != "ready\n":
                raise RuntimeError(f"the generator ended early: {one.communicate()[1]}")
        for one in started:
            one.stdin.write("go\n")
            one.stdin.flush()
        for one in started:
            errors = one.communicate(timeout=END_WITHIN_S)[1]
            if one.returncode:
                raise RuntimeError(f"the generator failed: {errors}")
    finally:
        for one in started:
            if one.poll() is None:
                one.kill()
                one.communicate()
    return _together([json.loads(file.read_bytes()) for file in files])


def _started(port: int, requests: list[list[bytes]], path: Path) -> Any:
    path.write_bytes(pickle.dumps({"port": port, "requests": requests}))
    return subprocess.Popen(
        [sys.executable, HERE / "load.py", path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _together(told: list[dict[str, Any]]) -> dict[str, Any]:
    times = sorted(took for one in told for took in one["times"])
    if not times:
        raise RuntimeError("no request was answered")
    seconds = max(one["ended"] for one in told) - min(one["began"] for one in told)
    statuses: dict[str, int] = {}
    for one in told:
        for status, count in one["statuses"].items():
            statuses[status] = statuses.get(status, 0) + count
    return {
        "seconds": seconds,
        "answered": len(times),
        "unanswered": sum(one["asked"] for one in told) - len(times),
        "refused": sum(one["refused"] for one in told),
        "per_second": len(times) / seconds,
        "p50_ms": times[len(times) // 2] * 1000,
        "p99_ms": times[int(len(times) * 0.99)] * 1000,
        "statuses": statuses,
        "generator_cpu_us_per_request": sum(one["cpu_s"] for one in told) / len(times) * 1e6,
        "generator_mb": sum(one["mb"] for one in told),
    }


def measured(
    pid: int,
    port: int,
    requests: list[list[bytes]],
    folder: Path,
    *,
    database_pid: int | None = None,
) -> dict[str, Any]:
    """The same, with CPU microseconds a request and MB of the server and of its PostgreSQL."""
    named = {"server": pid} | ({} if database_pid is None else {"database": database_pid})
    processes = Processes(named)
    result = load(port, requests, folder)
    for name, found in processes.since().items():
        result[f"{name}_cpu_us_per_request"] = found["cpu_s"] / result["answered"] * 1e6
        result[f"{name}_mb"] = found["mb"]
    return result


def median_of(runs: list[dict[str, Any]], *, good: str = "200") -> dict[str, Any]:
    """The run in the middle by its rate; errors and refusals are those of all runs."""
    by_rate = sorted(runs, key=lambda run: run["per_second"])
    middle = dict(by_rate[len(by_rate) // 2])
    middle["runs_per_second"] = [round(run["per_second"]) for run in runs]
    middle["refused"] = sum(run["refused"] for run in runs)
    middle["errors"] = sum(
        run["unanswered"]
        + sum(count for status, count in run["statuses"].items() if status != good)
        for run in runs
    )
    return middle
