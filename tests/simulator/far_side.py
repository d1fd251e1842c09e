"""The far side of a virtual device, as the protocol describes it, written apart from the server."""

import hashlib
import json
from typing import Any

from moorage.simulator import Unreachable
from moorage_agent.clock import Instant
from moorage_agent.transport import Answer

START = Instant(1_795_000_000.0, 1000.0)


def at(seconds: float) -> Instant:
    return Instant(START.wall + seconds, START.steady + seconds)


class FarSide:
    """Keeps what it is sent, by epoch; answers as the ledger would."""

    def __init__(self, *, interval_s: float = 30) -> None:
        self.interval_s = interval_s
        self.epochs: dict[str, list[dict[str, Any]]] = {}
        self.chains: dict[str, list[str]] = {}
        self.bodies: list[bytes] = []
        self.commands: list[dict[str, Any]] = []
        self.revision = 1

    def take(self, body: bytes) -> Answer:
        self.bodies.append(body)
        report = json.loads(body)
        epoch, sequence = report["epoch"], report["sequence"]
        kept = self.epochs.setdefault(epoch, [])
        first = [hashlib.sha256(epoch.encode()).hexdigest()]
        chain = self.chains.setdefault(epoch, first)[-1]
        after = report["previous"] + ":" + hashlib.sha256(body).hexdigest()
        new = hashlib.sha256(after.encode()).hexdigest()
        if sequence == len(kept) + 1 and report["previous"] == chain:
            kept.append(report)
            self.chains[epoch].append(new)
        elif not (sequence == len(kept) and new == chain):
            code = {"code": "chain_forked", "sequence": len(kept), "chain": chain}
            return Answer(409, code, None)
        return Answer(
            200,
            {
                "received": sequence,
                "chain": new,
                "server_time": "2026-11-21T10:00:00.000Z",
                "report_interval_s": self.interval_s,
                "config_revision": self.revision,
                "commands": self.commands,
            },
            None,
        )

    def answer(self, request: Any) -> Answer:
        if request.lane is None:
            found = {"revision": self.revision, "digest": f"sha256:{self.revision}", "document": {}}
            return Answer(200, found, None)
        return self.take(request.body)

    @property
    def reports(self) -> list[dict[str, Any]]:
        return [report for kept in self.epochs.values() for report in kept]

    def rows(self, part: str) -> list[Any]:
        return [row for report in self.reports for row in report.get(part, [])]


def live(device: Any, far: FarSide, *, begin: float, end: float, obey_fate: bool = True) -> None:
    """Have a device live from one second to another, every answer coming at once."""
    now = begin
    for _ in range(10_000):
        for request in device.advance(at(now)):
            spoiled = obey_fate and request.fate != "deliver"
            outcome = far.answer(request)
            lost = Unreachable("the answer was lost")
            device.answered(request, lost if spoiled else outcome, at(now))
        now = max(now, device.wake_at - START.steady)
        if now >= end:
            return
    raise AssertionError("it never rests")
