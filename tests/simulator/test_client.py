import asyncio
from contextlib import asynccontextmanager

import pytest

from moorage.simulator import Client, Fate, Unreachable

pytestmark = pytest.mark.anyio
OK = b'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{"a": 1}'


class Server:
    """Answers each request with the next of its texts; None closes instead."""

    def __init__(self, *answers: bytes | None) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.connections = 0
        self.at_once = self.most_at_once = 0
        self.pause_s = 0.0

    async def serve(self, reader, writer) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                at = head.lower().find(b"content-length:")
                length = int(head[at + 15 :].split(b"\r\n")[0]) if at > 0 else 0
                body = await reader.readexactly(length)
                self.at_once += 1
                self.most_at_once = max(self.most_at_once, self.at_once)
                self.requests.append(head + body)
                await asyncio.sleep(self.pause_s)
                self.at_once -= 1
                answer = self.answers.pop(0) if self.answers else OK
                if answer is None:
                    return
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def talking(server: Server, *, connections: int = 4, path: str = ""):
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    client = Client(f"http://127.0.0.1:{port}{path}", connections=connections)
    async with listener:
        try:
            yield client
        finally:
            await client.close()


async def ask(client: Client, fate: Fate = Fate.DELIVER, path: str = "/v1/reports"):
    return await client.request("POST", path, b"{}", lambda: {"X-One": "1"}, fate)


async def test_a_request_is_sent_with_its_headers_below_the_server_s_path():
    server = Server()
    async with talking(server, path="/fleet") as client:
        answer = await ask(client)
    assert (answer.status, answer.body) == (200, {"a": 1})
    (sent,) = server.requests
    assert sent.startswith(b"POST /fleet/v1/reports HTTP/1.1\r\n")
    assert b"\r\nX-One: 1\r\n" in sent
    assert sent.endswith(b"\r\n\r\n{}")


async def test_a_connection_is_used_again():
    server = Server()
    async with talking(server) as client:
        for _ in range(5):
            await ask(client)
    assert (server.connections, len(server.requests)) == (1, 5)


async def test_no_more_connections_are_open_than_allowed():
    server = Server()
    server.pause_s = 0.01
    async with talking(server, connections=3) as client:
        answers = await asyncio.gather(*(ask(client) for _ in range(30)))
    assert {answer.status for answer in answers} == {200}
    assert server.most_at_once == 3


async def test_the_time_told_is_that_of_the_turn():
    server, turns = Server(), []
    async with talking(server, connections=1) as client:

        def headers():
            turns.append(len(server.requests))
            return {}

        await asyncio.gather(*(client.request("POST", "/", b"", headers) for _ in range(4)))
    assert turns == [0, 1, 2, 3]


async def test_a_chunked_answer_is_put_together():
    chunked = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b'4\r\n{"a"\r\n4;x=1\r\n: 1}\r\n0\r\nX-Trailer: 1\r\n\r\n'
    )
    async with talking(Server(chunked)) as client:
        assert (await ask(client)).body == {"a": 1}
        assert (await ask(client)).status == 200


async def test_an_answer_without_a_length_ends_with_its_connection():
    async def serve(reader, writer):
        await reader.readuntil(b"{}")
        writer.write(b'HTTP/1.1 503 No\r\nRetry-After: 7\r\n\r\n{"code": "overloaded"}')
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        client = Client(f"http://127.0.0.1:{port}", connections=1)
        answer = await ask(client)
    assert (answer.status, answer.body, answer.retry_after_s) == (503, {"code": "overloaded"}, 7)


async def test_a_kept_connection_that_the_server_closed_is_replaced():
    server = Server(OK, None, OK)
    async with talking(server) as client:
        assert (await ask(client)).status == 200
        assert (await ask(client)).status == 200
    assert server.connections == 2


@pytest.mark.parametrize(
    "garbage",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Length: minus\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
    ],
)
async def test_what_is_no_whole_answer_is_none(garbage):
    async def serve(reader, writer):
        await reader.readuntil(b"{}")
        writer.write(garbage)
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        client = Client(f"http://127.0.0.1:{port}", connections=1)
        assert isinstance(await ask(client), Unreachable)


async def test_a_page_that_is_no_json_has_no_body():
    page = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"
    async with talking(Server(page)) as client:
        assert (await ask(client)).body is None


async def test_a_lost_answer_reached_the_server_and_never_the_device():
    server = Server()
    async with talking(server) as client:
        assert isinstance(await ask(client, Fate.LOSE_ANSWER), Unreachable)
        assert len(server.requests) == 1
        assert isinstance(await ask(client, Fate.CUT), Unreachable)
        assert (await ask(client)).status == 200


async def test_nobody_there_is_no_connection():
    server = Server()
    async with talking(server) as client:
        pass
    assert await ask(client) == Unreachable("no connection")


@pytest.mark.parametrize("url", ["fleet.example.com", "ftp://fleet", "http://", "https:///v1"])
def test_what_is_no_server_s_address_is_refused(url):
    with pytest.raises(ValueError, match="address"):
        Client(url, connections=1)
