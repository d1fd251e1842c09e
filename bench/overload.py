"""Scenario: more than the server can take, and who suffers from it.

*peak*: a fleet's reports over as many connections as keep the server busy, each for some of the
devices in turn. *overload*: the same fleet with a connection for each device, twenty times as many,
none of which heeds ``Retry-After``; five times as many are still all let in. *a noisy workspace*: a
small workspace beside the one, then beside the other. *a noisy device*: a few devices, without and
with one device on 128 connections. During the first two an owner asks, commands, makes keys and
revokes them.

Every figure is compared with one of the same run: the generator and the server share two cores.
The others' first second counts by itself: a crowd that sends its first at one moment is a burst,
and what they wait then says nothing of the noise that goes on.
"""

import asyncio
import json
import pickle
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import engines
import httpx
import psutil
from reports import Device
from sizes import size

HERE = Path(__file__).parent
PEAK, TIMES, SMALL = size((128, 20, 8), (8, 4, 2))
SECONDS = size(6.0, 1.0)
RUNS = size(3, 1)
_LINES = size(200, 20)
_FIRST_S = size(1.0, 0.2)


class Fleet:
    """Enrolled devices and their owner."""

    def __init__(self, server: Any, slug: str, count: int) -> None:
        self.owner = {"Authorization": f"Bearer {server.bootstrap(slug)['api_key']}"}
        self.base_url = server.base_url
        self.ids: list[str] = []
        self.devices = asyncio.run(self._made(count))

    async def _made(self, count: int) -> list[Device]:
        slots = asyncio.Semaphore(16)
        async with httpx.AsyncClient(base_url=self.base_url, timeout=60) as client:

            async def one(at: int) -> Device:
                async with slots:
                    body = {"name": f"bench {at}"}
                    made = await client.post("/v1/devices", json=body, headers=self.owner)
                    token = {"install_token": made.json()["install_token"]}
                    key = (await client.post("/v1/enroll", json=token)).json()
                    self.ids.append(key["device_id"])
                    return Device(key["device_key"])

            return await asyncio.gather(*(one(at) for at in range(count)))

    def requests(self, count: int, each: int) -> list[list[bytes]]:
        """Chains from the beginning, for these runs follow no other."""
        chosen = [Device(device.key) for device in self.devices[:count]]
        return [[device.request() for _ in range(each)] for device in chosen]

    def shared(self, connections: int, each: int) -> list[list[bytes]]:
        """Reports of all devices over few connections, each device's over one of them."""
        chosen = [Device(device.key) for device in self.devices]
        groups = [chosen[at::connections] for at in range(connections)]
        return [[group[n % len(group)].request() for n in range(each)] for group in groups]


class Owner(threading.Thread):
    """Asks, commands and takes it back, makes keys and revokes them, while others overload it."""

    def __init__(self, fleet: Fleet) -> None:
        super().__init__(daemon=True)
        self._fleet = fleet
        self._ended = threading.Event()
        self.seconds: list[float] = []
        self.statuses: dict[int, int] = {}

    def run(self) -> None:
        with httpx.Client(
            base_url=self._fleet.base_url, headers=self._fleet.owner, timeout=30
        ) as client:
            while not self._ended.wait(0.1):
                self._ask(client, "GET", "/v1/devices?limit=10")
                device = f"/v1/devices/{self._fleet.ids[0]}"
                # Taken back, for the generator's devices end no command: it would come each time.
                sent = self._ask(client, "POST", f"{device}/commands", json={"kind": "ping"})
                self._ask(client, "DELETE", f"{device}/commands/{sent.json()['id']}")
                made = self._ask(client, "POST", "/v1/api-keys", json={"name": "one more"})
                self._ask(client, "DELETE", f"/v1/api-keys/{made.json()['id']}")

    def _ask(self, client: httpx.Client, method: str, path: str, **more: Any) -> httpx.Response:
        began = time.perf_counter()
        answer = client.request(method, path, **more)
        self.seconds.append(time.perf_counter() - began)
        self.statuses[answer.status_code] = self.statuses.get(answer.status_code, 0) + 1
        return answer

    def end(self) -> dict[str, Any]:
        self._ended.set()
        self.join()
        ordered = sorted(self.seconds)
        return {
            "asked": len(ordered),
            "p50_ms": ordered[len(ordered) // 2] * 1000,
            "p99_ms": ordered[int(len(ordered) * 0.99)] * 1000,
            "statuses": self.statuses,
        }


def crowd(port: int, groups: dict[str, Any], folder: Path, seconds: float = SECONDS) -> dict:
    path = folder / "crowd"
    path.write_bytes(pickle.dumps({"port": port, "seconds": seconds, "groups": groups}))
    done = subprocess.run(
        [sys.executable, HERE / "crowd.py", path],
        capture_output=True,
        check=True,
        timeout=seconds + 240,
    )
    return json.loads(done.stdout)


def run(start_server: Any) -> dict[str, Any]:
    figures = engines.on_each(start_server, _measured)
    return {"seconds": SECONDS, "runs": RUNS, "figures": figures}


def _measured(server: Any, folder: Path) -> dict[str, Any]:
    busy = Fleet(server, "busy", PEAK * TIMES)
    small = Fleet(server, "small", SMALL)
    process = psutil.Process(server.pid)
    turns: dict[str, list[dict]] = {}

    def turn(name: str, groups: dict[str, Any], *, owner: bool = False) -> None:
        asking = Owner(busy) if owner else None
        if asking is not None:
            asking.start()
        result = crowd(server.port, groups, folder)
        result["rss_mb"] = process.memory_info().rss / 2**20
        if asking is not None:
            result["owner"] = asking.end()
        turns.setdefault(name, []).append(result)

    # Whose keys they are is known from then on; a cold start is another scenario.
    crowd(server.port, {"crowd": {"requests": busy.requests(PEAK * TIMES, 3)}}, folder)
    for _ in range(RUNS):
        quiet = {
            "requests": small.requests(SMALL, _LINES),
            "rest_s": 0.02,
            "after_s": _FIRST_S,
        }
        turn("few devices", {"crowd": {"requests": busy.requests(PEAK, _LINES)}})
        turn("peak", {"crowd": {"requests": busy.shared(PEAK, _LINES)}}, owner=True)
        turn(
            "overload",
            {"crowd": {"requests": busy.requests(PEAK * TIMES, _LINES)}},
            owner=True,
        )
        turn(
            "beside a fair workspace",
            {"crowd": {"requests": busy.shared(PEAK, _LINES)}, "small": quiet},
        )
        quiet["requests"] = small.requests(SMALL, _LINES)
        turn(
            "beside a noisy workspace",
            {"crowd": {"requests": busy.requests(PEAK * TIMES, _LINES)}, "small": quiet},
        )
        turn("without the noisy device", {"crowd": {"requests": busy.requests(PEAK, _LINES)}})
        loud = [_simple(busy.devices[-1].key, lane) for lane in range(PEAK)]
        turn(
            "beside a noisy device",
            {"crowd": {"requests": busy.requests(PEAK, _LINES)}, "device": {"requests": loud}},
        )
    return _compared(turns)


def _simple(key: str, lane: int) -> list[bytes]:
    """Reports of one device that claim no order, many at once."""
    requests = []
    for sequence in range(1, _LINES):
        body = json.dumps(
            {"epoch": f"lane-{lane}-{time.time_ns()}", "sequence": sequence, "sent_at": _now()}
        ).encode()
        head = (
            "POST /v1/reports HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {key}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        requests.append(head.encode() + body)
    return requests


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _compared(turns: dict[str, list[dict]]) -> dict[str, Any]:
    def of(name: str, group: str, figure: str) -> float:
        return statistics.median(turn[group][figure] or 0.0 for turn in turns[name])

    def rate(name: str) -> float:
        return statistics.median(
            turn["crowd"]["accepted"] / turn["seconds"] for turn in turns[name]
        )

    much = turns["overload"]
    pauses = {one for turn in much for one in turn["crowd"]["retry_after"]}
    others = {
        status for found in turns.values() for turn in found for status in turn["crowd"]["statuses"]
    }
    return {
        "few_devices_per_second": rate("few devices"),
        "peak_per_second": rate("peak"),
        "overload_per_second": rate("overload"),
        "goodput_of_peak": rate("overload") / rate("peak"),
        "peak_p99_ms": of("peak", "crowd", "p99_ms"),
        "overload_p99_ms": of("overload", "crowd", "p99_ms"),
        "refused_share": statistics.median(
            turn["crowd"]["refused"] / (turn["crowd"]["refused"] + turn["crowd"]["accepted"])
            for turn in much
        ),
        "retry_after_values": len(pauses),
        "statuses": sorted(others),
        "rss_mb": [round(turn["rss_mb"]) for turn in much],
        "owner_p99_ms_at_peak": statistics.median(t["owner"]["p99_ms"] for t in turns["peak"]),
        "owner_p99_ms_overload": statistics.median(t["owner"]["p99_ms"] for t in much),
        "owner_statuses": sorted({str(s) for t in much for s in t["owner"]["statuses"]}),
        "small_p99_ms_beside_fair": of("beside a fair workspace", "small", "p99_ms"),
        "small_p99_ms_beside_noisy": of("beside a noisy workspace", "small", "p99_ms"),
        "small_first_p99_ms_beside_fair": of("beside a fair workspace", "small", "early_p99_ms"),
        "small_first_p99_ms_beside_noisy": of("beside a noisy workspace", "small", "early_p99_ms"),
        "small_refused_beside_noisy": of("beside a noisy workspace", "small", "refused"),
        "others_p99_ms_without_device": of("without the noisy device", "crowd", "p99_ms"),
        "others_p99_ms_beside_device": of("beside a noisy device", "crowd", "p99_ms"),
    }


def table(scenario: dict[str, Any]) -> list[str]:
    return [
        "## Overload, one process",
        "",
        (
            f"{PEAK * TIMES} devices, over {PEAK} connections that keep the server busy (peak), "
            "then each over its own, insisting without heeding `Retry-After` (overload). Medians "
            f"of {scenario['runs']} runs of {scenario['seconds']:.0f} s."
        ),
        "",
        *engines.table(scenario["figures"], decimals=2),
        "",
    ]
