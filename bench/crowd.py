"""A load generator of devices that insist: what is turned away is sent again until it is stored.

Runs in a process of its own (`python bench/crowd.py FILE`). The file holds groups of connections,
each with its requests made beforehand, how long all of it lasts, and for each group whether it
heeds ``Retry-After``, how long it rests between two reports, and from when on they count.
"""

import asyncio
import json
import pickle
import sys
import time

import uvloop

CONNECT_WITHIN_S = 60
AGAIN_AFTER_S = 0.5


class Group:
    """What came of one group's requests."""

    def __init__(self, *, heed: bool, rest_s: float, after_s: float) -> None:
        self.heed = heed
        self.rest_s = rest_s
        self.after_s = after_s
        self.count_from = 0.0
        self.early: list[float] = []
        self.accepted: list[float] = []
        self.refused: list[float] = []
        self.pauses: dict[str, int] = {}
        self.statuses: dict[str, int] = {}
        self.connected = 0
        self.lost = 0
        self.unfinished = 0

    def told(self) -> dict[str, object]:
        return {
            "accepted": len(self.accepted),
            "refused": len(self.refused),
            "statuses": self.statuses,
            "p50_ms": _at(self.accepted, 0.50),
            "p99_ms": _at(self.accepted, 0.99),
            "early_p99_ms": _at(self.early, 0.99),
            "refused_p99_ms": _at(self.refused, 0.99),
            "retry_after": self.pauses,
            "connections_lost": self.lost,
            "unfinished": self.unfinished,
        }


def _at(seconds: list[float], share: float) -> float | None:
    return sorted(seconds)[int(len(seconds) * share)] * 1000 if seconds else None


class Connection(asyncio.Protocol):
    """One device: sends its requests one after the other, each until it is stored."""

    def __init__(self, group: Group, requests: list[bytes], port: int) -> None:
        self.group = group
        self.port = port
        self.asked = False
        self.requests = requests
        self.until = 0.0
        self.next = 0
        self.sent_at = 0.0
        self.buffer = b""
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport) -> None:
        self.transport = transport
        self.group.connected += 1

    def send(self) -> None:
        if self.done.done():
            return
        if self.next == len(self.requests) or time.perf_counter() >= self.until:
            self.finish()
            return
        if self.transport.is_closing():  # idle for too long: as a device, with a new one
            self.again = asyncio.ensure_future(self._anew())
            return
        self.asked = True
        self.sent_at = time.perf_counter()
        self.transport.write(self.requests[self.next])

    def finish(self) -> None:
        """End it, once; what it did not come to by then counts as unfinished."""
        if not self.done.done():
            self.group.unfinished += len(self.requests) - self.next
            self.done.set_result(None)
            self.transport.close()

    async def _anew(self) -> None:
        try:
            await asyncio.wait_for(
                asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", self.port),
                CONNECT_WITHIN_S,
            )
        except (OSError, TimeoutError):
            self.asked = True
            self.connection_lost(None)
        else:
            self.send()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head = self.buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        fields = self.buffer[:head].lower()
        length = int(_field(fields, b"content-length") or 0)
        if len(self.buffer) < head + 4 + length:
            return
        self.buffer = b""
        self.asked = False
        self._answered(fields[9:12].decode(), _field(fields, b"retry-after"))

    def _answered(self, status: str, retry_after: bytes | None) -> None:
        group, took = self.group, time.perf_counter() - self.sent_at
        group.statuses[status] = group.statuses.get(status, 0) + 1
        pause = group.rest_s
        if status == "503":
            group.refused.append(took)
            told = (retry_after or b"none").decode()
            group.pauses[told] = group.pauses.get(told, 0) + 1
            pause = float(told) if group.heed and retry_after else 0.0
        else:
            if status == "200":
                early = self.sent_at < group.count_from
                (group.early if early else group.accepted).append(took)
            self.next += 1
        if pause:
            asyncio.get_running_loop().call_later(pause, self.send)
        else:
            self.send()

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.asked or self.done.done():
            return
        # As a device: the same bytes again, on another connection.
        self.group.lost += 1
        self.asked = False
        self.buffer = b""
        asyncio.get_running_loop().call_later(AGAIN_AFTER_S, self.send)


def _field(fields: bytes, name: bytes) -> bytes | None:
    at = fields.find(b"\r\n" + name + b":")
    if at < 0:
        return None
    return fields[at + len(name) + 3 :].split(b"\r\n", 1)[0].strip()


async def drive(wanted: dict) -> dict[str, object]:
    loop = asyncio.get_running_loop()
    groups: dict[str, Group] = {}
    places: list[tuple[Group, list[bytes]]] = []
    for name, told in wanted["groups"].items():
        group = groups[name] = Group(
            heed=told.get("heed", False),
            rest_s=told.get("rest_s", 0.0),
            after_s=told.get("after_s", 0.0),
        )
        places += [(group, requests) for requests in told["requests"]]
    slots = asyncio.Semaphore(500)

    async def connect(group: Group, requests: list[bytes]) -> Connection:
        async with slots:
            _, made = await asyncio.wait_for(
                loop.create_connection(
                    lambda: Connection(group, requests, wanted["port"]),
                    "127.0.0.1",
                    wanted["port"],
                ),
                CONNECT_WITHIN_S,
            )
            return made

    connections = await asyncio.gather(*(connect(*place) for place in places))
    began = time.perf_counter()
    for group in groups.values():
        group.count_from = began + group.after_s
    for connection in connections:
        connection.until = began + wanted["seconds"]
        connection.send()
    await asyncio.wait(
        [connection.done for connection in connections], timeout=wanted["seconds"] + 30
    )
    seconds = time.perf_counter() - began
    for connection in connections:
        connection.finish()  # one that still waits for its answer
    return {"seconds": seconds, **{name: group.told() for name, group in groups.items()}}


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as file:  # noqa: PTH123 - written by the scenario a moment ago
        told = pickle.load(file)
    print(json.dumps(uvloop.run(drive(told))))
