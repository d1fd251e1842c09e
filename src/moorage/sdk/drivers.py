"""The two thin drivers: they carry out a conversation over httpx, blocking or not."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any, Generic, TypeVar

import httpx

from moorage.sdk.answers import Answer, Retries
from moorage.sdk.conversation import Failure, Outcome, Pause, Step, conversation
from moorage.sdk.errors import UnexpectedAnswer
from moorage.sdk.feed import Following, Message
from moorage.sdk.requests import Listing, Page, Query, Request

T = TypeVar("T")

# In these the request never left this machine.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


_CONNECT_S = 10.0
# A feed that is open says something every 15 seconds.
_SILENCE_S = 45.0


class Bearer(httpx.Auth):
    """Adds the key; keeps it out of every text an object of this library shows."""

    def __init__(self, key: str) -> None:
        """Keep the key in a closure, where no ``vars()`` finds it."""

        def add(request: httpx.Request) -> None:
            request.headers["Authorization"] = f"Bearer {key}"

        self._add = add

    def __repr__(self) -> str:
        return "Bearer(***)"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header."""
        self._add(request)
        yield request


class Pages(Generic[T]):
    """A list read page by page as it is iterated; can be iterated again."""

    def __init__(self, driver: "SyncDriver", listing: Listing[T]) -> None:
        """Ask nothing yet."""
        self._driver = driver
        self._listing = listing

    def __iter__(self) -> Iterator[T]:
        for page in self.pages():
            yield from page.items

    def pages(self) -> Iterator[Page[T]]:
        """Go through the pages. Raises as any call does, at the page that failed."""
        cursor: str | None = None
        followed: set[str] = set()
        while True:
            page = self._driver.send(self._listing.page(cursor))
            yield page
            cursor = _next(page, followed)
            if cursor is None:
                return


class AsyncPages(Generic[T]):
    """A list read page by page as it is iterated; can be iterated again."""

    def __init__(self, driver: "AsyncDriver", listing: Listing[T]) -> None:
        """Ask nothing yet."""
        self._driver = driver
        self._listing = listing

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.pages():
            for item in page.items:
                yield item

    async def pages(self) -> AsyncIterator[Page[T]]:
        """Go through the pages. Raises as any call does, at the page that failed."""
        cursor: str | None = None
        followed: set[str] = set()
        while True:
            page = await self._driver.send(self._listing.page(cursor))
            yield page
            cursor = _next(page, followed)
            if cursor is None:
                return


def _next(page: Page[Any], followed: set[str]) -> str | None:
    """Return the next cursor. A list must end, so none is followed twice."""
    cursor = page.next_cursor
    if cursor in followed:
        raise UnexpectedAnswer("the server's list goes in circles: it names a page it named before")
    if cursor is not None:
        followed.add(cursor)
    return cursor


class SyncDriver:
    """Sends and waits."""

    def __init__(self, client: httpx.Client, retries: Retries) -> None:
        """Take over the client."""
        self._client = client
        self._retries = retries

    def send(self, request: Request[T]) -> T:
        """Carry out a call. Raises MoorageError."""
        talk = conversation(request, self._retries)
        step: Step = next(talk)
        while True:
            outcome: Outcome = None
            if isinstance(step, Pause):
                time.sleep(step.seconds)
            else:
                outcome = self._attempt(step)
            try:
                step = talk.send(outcome)
            except StopIteration as done:
                result: T = done.value
                return result

    def iterate(self, listing: Listing[T]) -> Pages[T]:
        """Return a list to iterate."""
        return Pages(self, listing)

    def follow(self, query: Query, **how: Any) -> Iterator[Message]:
        """Yield messages of the feed, for as long as anybody listens. Raises MoorageError."""
        following = Following(query, self._retries, **how)
        while True:
            outcome: Outcome = None
            try:
                with self._client.stream(**_feed(following)) as response:
                    if _opened(following, response):
                        for chunk in response.iter_bytes():
                            yield from following.heard(chunk)
                    else:
                        response.read()
                        outcome = _answer(response)
            except httpx.TransportError as error:
                outcome = _failure(error)
            time.sleep(following.ended(outcome))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _attempt(self, request: Request[Any]) -> Answer | Failure:
        try:
            return _answer(self._client.request(request.method, request.path, **_parts(request)))
        except httpx.TransportError as error:
            return _failure(error)


class AsyncDriver:
    """Sends and lets others run meanwhile."""

    def __init__(self, client: httpx.AsyncClient, retries: Retries) -> None:
        """Take over the client."""
        self._client = client
        self._retries = retries

    async def send(self, request: Request[T]) -> T:
        """Carry out a call. Raises MoorageError."""
        talk = conversation(request, self._retries)
        step: Step = next(talk)
        while True:
            outcome: Outcome = None
            if isinstance(step, Pause):
                await asyncio.sleep(step.seconds)
            else:
                outcome = await self._attempt(step)
            try:
                step = talk.send(outcome)
            except StopIteration as done:
                result: T = done.value
                return result

    def iterate(self, listing: Listing[T]) -> AsyncPages[T]:
        """Return a list to iterate."""
        return AsyncPages(self, listing)

    async def follow(self, query: Query, **how: Any) -> AsyncIterator[Message]:
        """Yield messages of the feed, for as long as anybody listens. Raises MoorageError."""
        following = Following(query, self._retries, **how)
        while True:
            outcome: Outcome = None
            try:
                async with self._client.stream(**_feed(following)) as response:
                    if _opened(following, response):
                        async for chunk in response.aiter_bytes():
                            for message in following.heard(chunk):
                                yield message
                    else:
                        await response.aread()
                        outcome = _answer(response)
            except httpx.TransportError as error:
                outcome = _failure(error)
            await asyncio.sleep(following.ended(outcome))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _attempt(self, request: Request[Any]) -> Answer | Failure:
        parts = _parts(request)
        try:
            return _answer(await self._client.request(request.method, request.path, **parts))
        except httpx.TransportError as error:
            return _failure(error)


def options(url: str, key: str, *, timeout_s: float, ca_file: str | None) -> dict[str, Any]:
    """Return what both httpx clients are made with.

    Raises:
        ValueError: the address, the key or the certificates cannot be right; the key is not shown.

    """
    if not 0 < timeout_s < float("inf"):
        raise ValueError("timeout_s is a number of seconds above 0")
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError("the key is empty or holds characters no key has; copy the whole of it")
    chosen: dict[str, Any] = {
        "base_url": _checked(url),
        "auth": Bearer(key),
        "timeout": httpx.Timeout(timeout_s, connect=min(timeout_s, 10.0)),
        "headers": {"Accept": "application/json", "User-Agent": "moorage-sdk"},
        "follow_redirects": False,
    }
    if ca_file is not None:
        try:
            chosen["verify"] = ssl.create_default_context(cafile=ca_file)
        except OSError as error:
            raise ValueError(f"there are no certificates (PEM) to read in {ca_file}") from error
    return chosen


def _checked(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError("the server's address is no URL; write https://host[:port]") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError("the server's address begins with https:// (or http://) and names a host")
    if parsed.userinfo or parsed.query or parsed.fragment:
        raise ValueError("the server's address holds no user, password, query or fragment")
    return str(parsed).rstrip("/")


def _parts(request: Request[Any]) -> dict[str, Any]:
    return {
        "params": request.query or None,
        "json": request.body,
        "headers": dict(request.headers),
    }


def _feed(following: Following) -> dict[str, Any]:
    request = following.request()
    timeout = httpx.Timeout(_CONNECT_S, read=_SILENCE_S)
    return {
        "method": request.method,
        "url": request.path,
        "params": request.query or None,
        "headers": dict(request.headers),
        "timeout": timeout,
    }


def _opened(following: Following, response: httpx.Response) -> bool:
    return following.opened(response.status_code, response.headers.get("content-type", ""))


def _answer(response: httpx.Response) -> Answer:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status_code, headers, response.content)


def _failure(error: httpx.TransportError) -> Failure:
    if isinstance(error, httpx.TimeoutException):
        detail = "no answer in time"
    else:
        detail = str(error) or type(error).__name__
    return Failure(detail, sent=not isinstance(error, _NOT_SENT))
