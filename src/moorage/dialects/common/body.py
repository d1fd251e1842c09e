"""Request bodies in bounded memory and time, and JSON that the rest of the house can hold."""

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from moorage.core.errors import DomainError, Kind, of_exception
from moorage.kit.jsonvalue import UnfitJsonError, check_json

BODY_LIMIT = 256 * 1024
_SLOWEST_S = 30.0

_decode = msgspec.json.Decoder().decode


async def read_body(declared: int | None, receive: Receive, limit: int) -> bytes:
    """Return the whole body; ``declared`` is the length its sender gives, if it does.

    Raises:
        DomainError: ``too_large`` over ``limit`` bytes (before reading, when the sender says so);
            ``unavailable`` when it does not arrive within 30 seconds or breaks off.

    """
    if declared is not None and declared > limit:
        raise too_large(limit)
    # Most bodies are here with their request; for those no clock is needed.
    step = _read(receive, limit)
    try:
        waiting_for = step.send(None)
    except StopIteration as done:
        body: bytes = done.value
        return body
    try:
        async with asyncio.timeout(_SLOWEST_S):
            rest: bytes = await _resumed(step, waiting_for)
    except TimeoutError:
        # Not the body's fault: a sender on a slow link is to keep it and try again.
        raise DomainError(
            Kind.UNAVAILABLE,
            "body_too_slow",
            f"the body did not arrive within {_SLOWEST_S:.0f} seconds; send less at once",
            retry_after_s=5,
        ) from None
    return rest


async def _read(receive: Receive, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _cut_off()
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise too_large(limit)
        if not message.get("more_body"):
            return b"".join((*chunks, chunk)) if chunks else chunk
        chunks.append(chunk)


@types.coroutine
def _resumed(
    step: Coroutine[Any, Any, bytes], waiting_for: object
) -> Generator[object, None, bytes]:
    """Go on with a coroutine that was begun by hand and waits for something."""
    try:
        yield waiting_for
    except BaseException:
        step.close()
        raise
    rest: bytes = yield from step
    return rest


def _cut_off() -> DomainError:
    return DomainError(Kind.UNAVAILABLE, "body_cut_off", "the connection broke off within the body")


def _content_length(scope: Scope) -> int | None:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return None


def too_large(limit: int) -> DomainError:
    """Refuse a body for its size."""
    return DomainError(
        Kind.TOO_LARGE,
        "body_too_large",
        f"a body here is at most {limit} bytes; send less",
        extra={"limit_bytes": limit},
    )


class BodyGuard:
    """ASGI middleware before an application: bodies are bounded, and JSON is JSON we can hold.

    ``refuse`` renders a refusal in the dialect's shape. Without ``parses`` a body is bounded and
    nothing else, for a dialect that looks at body and query once it knows who asks.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        limit: int,
        refuse: Callable[[DomainError], ASGIApp],
        parses: bool = True,
    ) -> None:
        """Keep the parts."""
        self._parses = parses
        self._app = app
        self._limit = limit
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check, then pass the body on whole."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            if self._parses:
                _check_query(scope)
            body = await read_body(_content_length(scope), receive, self._limit)
            if body and self._parses and _is_json(scope):
                parse_json(body)
        except DomainError as error:
            await self._refuse(error)(scope, receive, send)
            return
        handed = False

        async def replay() -> Message:
            nonlocal handed
            if handed:
                return await receive()
            handed = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, replay, send)


def _check_query(scope: Scope) -> None:
    if b"%00" in scope.get("query_string", b""):
        raise DomainError(Kind.INVALID, "invalid", "the query holds a NUL; leave it out")


def _is_json(scope: Scope) -> bool:
    return any(
        name == b"content-type" and b"json" in value.lower() for name, value in scope["headers"]
    )


def parse_json(body: bytes) -> Any:
    """Return a body's value. Raises DomainError ``invalid`` for JSON no database could hold."""
    try:
        value = _decode(body)
        check_json(value)
    except UnfitJsonError as error:
        raise of_exception(error) or error from None
    except RecursionError:
        raise DomainError(Kind.INVALID, "malformed_body", "the body is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DomainError(
            Kind.INVALID, "malformed_body", f"the body is not valid JSON in UTF-8: {error}"
        ) from None
    return value
