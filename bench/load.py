"""A load generator that costs little: requests are made beforehand, sent as bytes, answers counted.

Each connection sends its own list of requests one after the other, as a device does. What is
answered 503 was not stored: it is sent again after a short pause, as a device does, for what
follows is chained to it. It counts as refused, and its time runs from when it was sent first.

Runs in a process of its own (`python bench/load.py FILE`): it takes the second core and not the
server's. It says ``ready`` when all are connected, begins at a line on its standard input, so that
several can begin together, and in the end puts one JSON object where it read the requests.
"""

import asyncio
import json
import pickle
import resource
import sys
import time
from pathlib import Path

import psutil
import uvloop

CONNECT_WITHIN_S = 30
AGAIN_AFTER_S = 0.05
END_AFTER_S = 240


class Connection(asyncio.Protocol):
    """Sends the next request when the last one is answered."""

    def __init__(self, requests: list[bytes]) -> None:
        self.requests = requests
        self.done = asyncio.get_running_loop().create_future()
        self.next = 0
        self.sent_at = 0.0
        self.seconds: list[float] = []
        self.statuses: dict[int, int] = {}
        self.refused = 0
        self.buffer = b""

    def connection_made(self, transport) -> None:
        self.transport = transport

    def send(self) -> None:
        if self.next == len(self.requests):
            self.end()
            return
        self.sent_at = time.perf_counter()
        self.transport.write(self.requests[self.next])

    def again(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(self.requests[self.next])

    def end(self) -> None:
        self.transport.close()
        if not self.done.done():
            self.done.set_result(None)

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
        self.buffer = b""
        if status == 503:
            self.refused += 1
            asyncio.get_running_loop().call_later(AGAIN_AFTER_S, self.again)
            return
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.seconds.append(time.perf_counter() - self.sent_at)
        self.next += 1
        self.send()

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def drive(port: int, per_connection: list[list[bytes]]) -> dict[str, object]:
    loop = asyncio.get_running_loop()
    connections = []
    for requests in per_connection:
        _, connection = await asyncio.wait_for(
            loop.create_connection(
                lambda requests=requests: Connection(requests), "127.0.0.1", port
            ),
            CONNECT_WITHIN_S,
        )
        connections.append(connection)
    print("ready", flush=True)
    sys.stdin.readline()
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    for connection in connections:
        connection.send()
    await asyncio.wait([connection.done for connection in connections], timeout=END_AFTER_S)
    ended = time.perf_counter()
    after = resource.getrusage(resource.RUSAGE_SELF)
    statuses: dict[str, int] = {}
    for connection in connections:
        for status, count in connection.statuses.items():
            statuses[str(status)] = statuses.get(str(status), 0) + count
    return {
        "began": began,
        "ended": ended,
        "asked": sum(map(len, per_connection)),
        "times": [took for connection in connections for took in connection.seconds],
        "statuses": statuses,
        "refused": sum(connection.refused for connection in connections),
        "cpu_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "mb": psutil.Process().memory_info().rss / 2**20,
    }


if __name__ == "__main__":
    path = Path(sys.argv[1])
    wanted = pickle.loads(path.read_bytes())  # written by generator.py a moment ago
    path.write_text(json.dumps(uvloop.run(drive(wanted["port"], wanted["requests"]))))
