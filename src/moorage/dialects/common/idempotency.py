"""``Idempotency-Key``: the first answer, replayed for 24 hours, secrets left out."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from moorage.core.caller import Caller
from moorage.core.errors import DomainError, Kind
from moorage.storage import Tx, idempotency

_LONGEST = 255
_encode = msgspec.json.Encoder().encode


async def answered_once(  # noqa: PLR0913 - what a request and its answer are made of
    request: Request,
    tx: Tx,
    caller: Caller,
    work: Callable[[], Awaitable[Mapping[str, Any]]],
    *,
    secrets: frozenset[str] = frozenset(),
    mark: Mapping[str, Any] | None = None,
) -> Response:
    """Do the work and answer 201, or replay what the same request was answered before.

    In the work's own transaction: either both are there afterwards or neither. ``secrets`` are the
    fields that are shown once; ``mark`` is what a replayed answer holds besides.

    Raises:
        DomainError: ``invalid`` when the key came with another request before.

    """
    key = request.headers.get("idempotency-key")
    if key is None:
        return _answer(201, await work())
    if not key or len(key) > _LONGEST or not key.isprintable():
        raise DomainError(
            Kind.INVALID,
            "idempotency_key_invalid",
            f"an Idempotency-Key is 1 to {_LONGEST} printable characters",
        )
    owner = caller.key_id or caller.actor
    known = await idempotency.begin(tx, owner=owner, key=key, request_digest=await _digest(request))
    if known is not None:
        if not known.same_request:
            raise DomainError(
                Kind.INVALID,
                "idempotency_key_reused",
                "this Idempotency-Key came with another request before; use a new one",
            )
        return _answer(known.status, {**known.body, **(mark or {})})
    body = await work()
    kept = {name: value for name, value in body.items() if name not in secrets}
    await idempotency.finish(tx, owner=owner, key=key, status=201, body=kept)
    return _answer(201, body)


async def _digest(request: Request) -> str:
    asked = f"{request.method} {request.url.path}\n".encode() + await request.body()
    return hashlib.sha256(asked).hexdigest()


def _answer(status: int, body: Mapping[str, Any]) -> Response:
    return Response(_encode(body), status, media_type="application/json")
