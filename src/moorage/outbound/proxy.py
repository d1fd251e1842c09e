"""The way into environments: calls of a container engine's API, forwarded through Portainer.

Our key is put in here and nowhere else. What goes in is checked and cut down to what the engine
needs, what comes out to what a client may see; both are bounded in bytes and time.
"""

import asyncio
import re
import weakref
from collections.abc import AsyncIterator, Mapping
from urllib.parse import parse_qsl, urlencode

import httpx
import msgspec
import structlog

from moorage.core.environments import Access
from moorage.core.errors import invalid
from moorage.outbound import docker_api
from moorage.outbound.addresses import AddressRefused
from moorage.outbound.docker_api import unavailable
from moorage.outbound.http import AnswerTooLong, open_client, read_all, tls_context
from moorage.outbound.portainer import PortainerSetup

_log = structlog.get_logger("moorage.outbound")

_CONNECTIONS = 64
# An Edge agent opens its tunnel when it next asks for work; Portainer holds the first call so long.
_FIRST_BYTE_S = 30.0
_WHOLE_S = 60.0
_FOLLOWED_S = 900.0
_ANSWER_BYTES = 64 * 1024 * 1024
_INSPECTED_BYTES = 4 * 1024 * 1024
_LONGEST_QUERY = 4096
_MOST_FIELDS = 50
# Portainer takes a query's token for a login, which must not stand beside our key.
_NOT_FORWARDED = {"token"}
_SENT_ON = {"content-type", "accept", "x-registry-auth", "x-registry-config"}
_SHOWN = {
    "api-version",
    "cache-control",
    "content-length",
    "content-type",
    "docker-experimental",
    "ostype",
    "x-docker-container-path-stat",
}
# What a container says must not run in a browser that looks at it under our address.
_ADDED = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox",
}
_HEADER_VALUE = re.compile(r"[ -~]{0,8192}")
_REFUSES_OUR_KEY = (401, 403)
_NOT_MODIFIED = 304


class AnswerCutOff(Exception):
    """The answer went past its bounds; ending it quietly would make it look whole."""


class ProxyAnswer:
    """What came back: status, headers by lower-case name, and the body to be read once."""

    def __init__(
        self, response: httpx.Response, *, deadline: float, limit_bytes: int, may_end: bool
    ) -> None:
        """``may_end``: the body has no end of its own, so its bounds are one like another."""
        self.status = response.status_code
        self.headers = {
            **{name: text for name, text in response.headers.items() if name in _SHOWN},
            **_ADDED,
        }
        self.chunks = self._read()
        self._response = response
        self._deadline = deadline
        self._limit_bytes = limit_bytes
        self._may_end = may_end
        self._waiting: asyncio.Timeout | None = None
        # For a client that went away before the first byte was asked for.
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(deadline, lambda: loop.create_task(self.aclose()))

    def become(self, content: bytes) -> None:
        """Put another body in place of what came."""
        self.headers["content-length"] = str(len(content))

        async def once() -> AsyncIterator[bytes]:
            yield content

        self.chunks = once()

    def end_soon(self) -> None:
        """End a body that has no end of its own."""
        self._deadline = asyncio.get_running_loop().time()
        if self._waiting is not None:
            self._waiting.reschedule(self._deadline)

    async def aclose(self) -> None:
        """Let go of the connection; what was not read yet is given up."""
        self._timer.cancel()
        await self._response.aclose()

    async def _read(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._bounded():
                yield part
        except (TimeoutError, AnswerTooLong):
            if not self._may_end:
                raise AnswerCutOff("the answer was cut off at its bounds") from None
        except (httpx.HTTPError, httpx.StreamError):
            raise AnswerCutOff("Portainer broke off in the middle") from None
        finally:
            await self.aclose()

    async def _bounded(self) -> AsyncIterator[bytes]:
        size = 0
        body = self._response.aiter_raw()
        while True:
            async with asyncio.timeout_at(self._deadline) as self._waiting:
                part = await anext(body, b"")
            self._waiting = None
            size += len(part)
            if size > self._limit_bytes:
                raise AnswerTooLong
            if not part:
                return
            yield part


class PortainerProxy:
    """Forwards calls into environments. Close it when done."""

    def __init__(
        self,
        setup: PortainerSetup,
        *,
        limit_bytes: int = _ANSWER_BYTES,
        whole_s: float = _WHOLE_S,
        followed_s: float = _FOLLOWED_S,
    ) -> None:
        """Open nothing yet; ``followed_s`` is for logs, statistics and events, else ``whole_s``.

        Raises:
            ValueError: the certificates to trust cannot be used.

        """
        self._url = setup.url
        self._key_header = setup.key_header
        self._limit_bytes = limit_bytes
        self._whole_s = whole_s
        self._followed_s = followed_s
        self._followed: weakref.WeakSet[ProxyAnswer] = weakref.WeakSet()
        self._client = open_client(
            tls_context(ca_bundle=setup.ca_bundle, verify=setup.verify),
            headers={},
            connections=_CONNECTIONS,
            timeout=httpx.Timeout(
                None, connect=setup.timeout_s, write=_FIRST_BYTE_S, pool=setup.timeout_s
            ),
        )

    async def aclose(self) -> None:
        """Close its connections, also those whose answers are still being read."""
        await self._client.aclose()

    def end_followed(self) -> None:
        """End answers that go on for as long as somebody listens: the server is to stop."""
        for answer in list(self._followed):
            answer.end_soon()

    def check_path(self, path: str) -> str:
        """Return a path that means what it says. Raises DomainError ``invalid``."""
        return docker_api.check_path(path)

    def classify(self, method: str, path: str) -> Access:
        """Say what a call with a checked path does there."""
        return docker_api.classify(method, path)

    async def stream(  # noqa: PLR0913 - the parts of a request
        self,
        endpoint_id: int,
        method: str,
        path: str,
        *,
        query: str = "",
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> ProxyAnswer:
        """Forward a call and return its answer as soon as it begins.

        Raises:
            DomainError: ``invalid`` for method, path or query; ``unavailable`` when there is no
                answer to show.

        """
        docker_api.check_method(method)
        target = f"{self._url}/api/endpoints/{endpoint_id:d}/docker/{docker_api.check_path(path)}"
        asked = _query(query)
        request = self._client.build_request(
            method,
            f"{target}?{asked}" if asked else target,
            content=body or None,
            headers={**_sent_on(headers or {}), **self._key_header},
        )
        follows = docker_api.follows(path)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (self._followed_s if follows else self._whole_s)
        response = await self._send(request)
        answer = ProxyAnswer(
            response, deadline=deadline, limit_bytes=self._limit_bytes, may_end=follows
        )
        if follows:
            self._followed.add(answer)
        try:
            self._check(response)
            if docker_api.inspects(method, path) and response.is_success:
                answer.become(await self._without_environment(response, deadline))
                await answer.aclose()
        except BaseException:
            await answer.aclose()
            raise
        return answer

    async def _send(self, request: httpx.Request) -> httpx.Response:
        try:
            async with asyncio.timeout(min(_FIRST_BYTE_S, self._whole_s)):
                return await self._client.send(request, stream=True)
        except (TimeoutError, httpx.TimeoutException):
            raise unavailable(
                "the device's environment did not answer in time; the device may be away"
            ) from None
        except httpx.HTTPError as error:
            refused = isinstance(error.__cause__, AddressRefused)
            why = "is refused" if refused else "cannot be reached"
            raise unavailable(f"Portainer {why}; look at `moorage doctor` on the server") from None

    def _check(self, response: httpx.Response) -> None:
        status = response.status_code
        if status in _REFUSES_OUR_KEY:
            # The client's own key was good; 401 would say that it is not.
            _log.warning("environment_key_refused", status=status)
            raise unavailable("Portainer refuses the server's access token; look at its log")
        if 300 <= status < 400 and status != _NOT_MODIFIED:  # noqa: PLR2004 - redirects
            raise unavailable("the answer is a redirect, which is not followed")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise unavailable("the answer is packed, which was not asked for")
        length = response.headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._limit_bytes:
            raise unavailable(f"the answer is longer than {self._limit_bytes} bytes")

    async def _without_environment(self, response: httpx.Response, deadline: float) -> bytes:
        try:
            async with asyncio.timeout_at(deadline):
                content = await read_all(response, min(_INSPECTED_BYTES, self._limit_bytes))
            shown = msgspec.json.decode(content)
            return msgspec.json.encode(docker_api.without_environment(shown))
        except (msgspec.DecodeError, RecursionError):
            # What cannot be read cannot be cut down.
            raise unavailable("the answer is not the JSON it should be") from None
        except (TimeoutError, AnswerTooLong, httpx.HTTPError):
            raise unavailable("the answer broke off, or is longer than it can be") from None


def _query(query: str) -> str:
    if len(query) > _LONGEST_QUERY:
        raise invalid("/query", f"the query is longer than {_LONGEST_QUERY} characters")
    try:
        fields = parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise invalid("/query", f"the query has more than {_MOST_FIELDS} fields") from None
    return urlencode([field for field in fields if field[0].lower() not in _NOT_FORWARDED])


def _sent_on(headers: Mapping[str, str]) -> dict[str, str]:
    return {
        name.lower(): text
        for name, text in headers.items()
        if name.lower() in _SENT_ON and _HEADER_VALUE.fullmatch(text)
    }
