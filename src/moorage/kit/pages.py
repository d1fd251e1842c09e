"""Keyset pages: a cursor names the last row seen, so inserts in between move nothing."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from moorage.kit.text import is_plain_text

T = TypeVar("T")

CursorPart: TypeAlias = str | int


class BadCursorError(ValueError):
    """The text is no cursor of ours."""


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page, and the cursor of the next one (None on the last)."""

    items: Sequence[T]
    next_cursor: str | None


def encode_cursor(*parts: CursorPart) -> str:
    """Opaque base64url text of the sort key of the last row seen."""
    raw = json.dumps(parts, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode_cursor(text: str, *types: type) -> tuple[CursorPart, ...]:
    """Return the parts of a cursor, each of the type asked for.

    Raises:
        BadCursorError: not a cursor of this list.

    """
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        parts = json.loads(raw)
    except (ValueError, binascii.Error, RecursionError) as error:
        raise BadCursorError(text) from error
    if not isinstance(parts, list) or len(parts) != len(types):
        raise BadCursorError(text)
    if not all(map(_is_part, parts, types)):
        raise BadCursorError(text)
    return tuple(parts)


def _is_part(part: object, kind: type) -> bool:
    if isinstance(part, str):
        return kind is str and is_plain_text(part)
    return kind is int and type(part) is int and -(2**63) <= part < 2**63
