"""The console as a browser sees it: somebody signed in, pages, forms, what happens live."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

import httpx

from moorage.console.app import PAGES
from moorage.core.accounts import NewSession, Role
from support.accounts import People, cheap

COOKIE = "moorage_session"
HX = {"HX-Request": "true"}


@dataclass
class Person:
    """Somebody signed in, with a browser of their own."""

    client: httpx.AsyncClient
    made: NewSession

    @property
    def csrf(self) -> str:
        return self.made.session.csrf

    @property
    def account_id(self) -> str:
        return self.made.session.account.id

    async def get(self, path: str, *, fragment: bool = False, **headers: str) -> httpx.Response:
        return await self.client.get(path, headers={**(HX if fragment else {}), **headers})

    async def page(self, path: str, *, fragment: bool = False) -> str:
        """The HTML of a page that must be there."""
        answer = await self.get(path, fragment=fragment)
        assert answer.status_code == 200, answer.text[:2000]
        return answer.text

    async def post(
        self, path: str, data: dict[str, Any] | None = None, **headers: str
    ) -> httpx.Response:
        """An unsafe request as a page sends it."""
        told = {**HX, "X-CSRF-Token": self.csrf, "Sec-Fetch-Site": "same-origin", **headers}
        return await self.client.post(path, data=data or {}, headers=told)


@dataclass
class Console:
    """A running server, and those who look at it. ``owner`` owns workspace ``acme``."""

    running: Any
    people: People
    owner: Person
    operator: Person
    viewer: Person

    @property
    def anyone(self) -> httpx.AsyncClient:
        """A browser nobody is signed in with."""
        return self.running.client


def browser(running: Any, made: NewSession) -> Person:
    transport = httpx.ASGITransport(running.app, raise_app_exceptions=False)
    client = httpx.AsyncClient(transport=transport, base_url="http://moorage.test")
    client.cookies.set(COOKIE, made.text, domain="moorage.test", path="/console")
    return Person(client, made)


@asynccontextmanager
async def console_of(running: Any):
    people = People(running.db, cheap())
    owner = await people.set_up(workspace="acme")
    others = [
        await people.join(owner, f"{role}@example.com", role)
        for role in (Role.OPERATOR, Role.VIEWER)
    ]
    all_ = [browser(running, made) for made in (owner, *others)]
    try:
        yield Console(running, people, *all_)
    finally:
        for person in all_:
            await person.client.aclose()


def pages(method: str) -> list[str]:
    """Templates of all routes of somebody signed in; a new page is among them by itself."""
    return [path for one, path, _ in PAGES if one == method]


def filled(path: str, **known: str) -> str:
    """An address of a template; a part that is not known is ``1``."""
    for part in path.split("/"):
        if part.startswith("{"):
            name = part.strip("{}").split(":")[0]
            path = path.replace(part, known.get(name, "1"))
    return path


class Seen(HTMLParser):
    """What a page would run or load."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.inline: list[str] = []
        self.loaded: list[str] = []
        self.text = ""
        self._in: str | None = None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self._in = tag if tag in ("script", "style") else None
        for name, value in attrs:
            if name.startswith(("on", "hx-on")) or name == "style":
                self.inline.append(f"{tag} {name}={value}")
            if str(value).strip().lower().startswith("javascript:"):
                self.inline.append(f"{tag} {name}={value}")
        for name in ("src", "href"):
            if name in found and tag in ("script", "link", "img", "use", "iframe"):
                self.loaded.append(str(found[name]))

    def handle_endtag(self, _tag):
        self._in = None

    def handle_data(self, data):
        if self._in and data.strip():
            self.inline.append(f"{self._in}: {data.strip()[:80]}")
        self.text += data


@asynccontextmanager
async def live(running: Any, person: Person, query: str = ""):
    """Messages of the stream as they come; read at the ASGI boundary, for a client buffers."""
    messages: asyncio.Queue = asyncio.Queue()
    gone = asyncio.Event()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "path": "/console/events",
        "raw_path": b"/console/events",
        "root_path": "",
        "query_string": query.encode(),
        "headers": [
            (b"cookie", f"{COOKIE}={person.made.text}".encode()),
            (b"accept", b"text/event-stream"),
        ],
        "client": ("127.0.0.1", 1),
        "server": ("moorage.test", 80),
        "scheme": "http",
    }

    async def receive():
        if not gone.is_set():
            await gone.wait()
        return {"type": "http.disconnect"}

    first = {"type": "http.request", "body": b"", "more_body": False}
    given = False

    async def once():
        nonlocal given
        if not given:
            given = True
            return first
        return await receive()

    async def send(message):
        if message["type"] == "http.response.start":
            await messages.put(message["status"])
        elif message.get("body"):
            await messages.put(message["body"].decode())

    task = asyncio.create_task(running.app(scope, once, send))
    task.add_done_callback(lambda _: messages.put_nowait(None))
    try:
        yield messages
    finally:
        gone.set()
        async with asyncio.timeout(60):
            await task


async def next_of(messages: asyncio.Queue, kind: str) -> dict[str, Any]:
    """The next message of a kind; others are passed over."""
    async with asyncio.timeout(60):
        while True:
            text = await messages.get()
            assert text is not None, "the stream ended"
            if isinstance(text, str) and f"event: {kind}\n" in text:
                (data,) = [one for one in text.splitlines() if one.startswith("data: ")]
                return json.loads(data.removeprefix("data: "))
