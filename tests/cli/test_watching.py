"""``device watch`` when the feed tells of a change and the server cannot be asked about it."""

import json

import httpx
import pytest

from cli.devices import made
from moorage import sdk
from moorage.cli.owner import watching

HELLO = ("hello", {"counts": {}})


class Enough(Exception):
    """The test has seen what it waited for."""


class Way(httpx.AsyncHTTPTransport):
    """The way to a real server, but for the feed, which the test says, and for gaps in between."""

    def __init__(self, feed) -> None:
        super().__init__()
        self._feed = feed
        self.cut = False

    async def handle_async_request(self, request):
        if request.url.path == "/v1/stream":
            kind = {"Content-Type": "text/event-stream"}
            return httpx.Response(200, headers=kind, content=self._told())
        if self.cut:
            raise httpx.ConnectError("the cable is out", request=request)
        return await super().handle_async_request(request)

    async def _told(self):
        for kind, data in self._feed(self):
            yield f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()


def watched(cli, monkeypatch, feed, changed):
    """Watch all devices by what ``feed`` yields, until ``changed`` says that it is enough."""

    def client(_profile):
        return sdk.AsyncMoorage(cli.url, cli.key, retries=sdk.Retries(most=0), transport=Way(feed))

    monkeypatch.setattr(watching, "async_client", client)
    with pytest.raises(Enough):
        watching.watch(None, (), {}, 60, began=lambda _: None, changed=changed)


@pytest.mark.parametrize("missed", ["the greeting", "a change"])
def test_what_could_not_be_looked_at_is_looked_at_with_the_next_message(cli, monkeypatch, missed):
    silent, other = made(cli, f"silent {missed}"), made(cli, f"other {missed}")
    seen = {}

    def feed(way):
        yield HELLO
        silent.send()
        way.cut = True
        yield HELLO if missed == "the greeting" else ("status", {"device_id": silent.id})
        way.cut = False
        yield "status", {"device_id": other.id}
        raise AssertionError(f"the feed went on, and of {silent.id} nothing was said: {seen}")

    def changed(_before, now):
        seen.update({one.id: one.status for one in now.values()})
        if seen.get(silent.id) == "online":
            raise Enough

    watched(cli, monkeypatch, feed, changed)
