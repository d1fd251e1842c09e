"""Answers as they go out, and what the document says of them."""

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

from moorage.dialects.roboflow import shapes

_encode = msgspec.json.Encoder().encode
_MEANINGS = {
    400: "a query value, a cursor or a part of the body is wrong",
    401: "the key is missing, unknown or revoked, or not of this workspace",
    403: "not for a device's key, or the workspace lacks a feature",
    404: "absent, of another workspace, or the key lacks the scope",
    405: "wrong method",
    409: "conflicts with what is there",
    412: "changed since it was read",
    413: "too large",
    429: "too many reads; see Retry-After",
    503: "overloaded or without storage; see Retry-After",
    507: "out of storage",
}
# Every route may refuse in each of these ways.
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"description": meaning, "model": shapes.Refusal}
    for status, meaning in _MEANINGS.items()
}


def answer(
    data: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer with JSON; a list of ten thousand devices is no time for checking shapes again."""
    return Response(_encode(data), status, headers, media_type="application/json")


def told(shape: Any, status: int = 200, *, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what a route's decorator is to know: the answer's shape, and the body's properties."""
    more: dict[str, Any] = {
        "status_code": status,
        "response_model": None,
        "responses": {status: {"model": shape}},
    }
    if body is not None:
        schema = {"type": "object", **body}
        content = {"application/json": {"schema": schema}}
        more["openapi_extra"] = {"requestBody": {"required": True, "content": content}}
    return more
