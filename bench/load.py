"""A load generator that costs little: requests are made beforehand, sent as bytes, answers counted.

Each connection sends its own list of requests one after the other, as a device does. Runs in a
process of its own (`python bench/load.py FILE`): it takes the second core and not the server's.
"""

import asyncio
import json
import pickle
import sys
import time

import uvloop

CONNECT_WITHIN_S = 30


class Connection(asyncio.Protocol):
    """Sends the next request when the last one is answered."""

    def __init__(self, requests: list[bytes], done: asyncio.Event) -> None:
        self.requests = requests
        self.done = done
        self.next = 0
        self.sent_at = 0.0
        self.seconds: list[float] = []
        self.statuses: dict[int, int] = {}
        self.buffer = b""

    def connection_made(self, transport) -> None:
        self.transport = transport

    def start(self) -> None:
        self.send()

    def send(self) -> None:
        if self.next == len(self.requests):
            self.transport.close()
            self.done.set()
            return
        self.sent_at = time.perf_counter()
        self.transport.write(self.requests[self.next])
        self.next += 1

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head = self.buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        at = self.buffer.lower().find(b"content-length:", 0, head)
        length = int(self.buffer[at + 15 : self.buffer.index(b"\r", at)])
        if len(self.buffer) < head + 4 + length:
            return
        status = int(self.buffer[9:12])
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.seconds.append(time.perf_counter() - self.sent_at)
        self.buffer = b""
        self.send()

    def connection_lost(self, _error: Exception | None) -> None:
        self.done.set()


async def drive(port: int, per_connection: list[list[bytes]]) -> dict[str, object]:
    loop = asyncio.get_running_loop()
    connections = []
    for requests in per_connection:
        done = asyncio.Event()
        _, connection = await asyncio.wait_for(
            loop.create_connection(
                lambda requests=requests, done=done: Connection(requests, done), "127.0.0.1", port
            ),
            CONNECT_WITHIN_S,
        )
        connections.append(connection)
    began = time.perf_counter()
    for connection in connections:
        connection.start()
    await asyncio.gather(*(connection.done.wait() for connection in connections))
    seconds = time.perf_counter() - began
    times = sorted(t for connection in connections for t in connection.seconds)
    statuses: dict[str, int] = {}
    for connection in connections:
        for status, count in connection.statuses.items():
            statuses[str(status)] = statuses.get(str(status), 0) + count
    asked = sum(map(len, per_connection))
    return {
        "seconds": seconds,
        "answered": len(times),
        "unanswered": asked - len(times),
        "per_second": len(times) / seconds,
        "p50_ms": times[len(times) // 2] * 1000,
        "p99_ms": times[int(len(times) * 0.99)] * 1000,
        "statuses": statuses,
    }


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as file:  # noqa: PTH123 - written by run.py a moment ago
        wanted = pickle.load(file)
    print(json.dumps(uvloop.run(drive(wanted["port"], wanted["requests"]))))
