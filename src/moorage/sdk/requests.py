"""What to ask and how to read the answer, without doing either: no socket, no clock, no sleep.

Both drivers carry out what is built here, so what the two clients do cannot drift apart.
"""

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar
from urllib.parse import quote

from moorage.sdk.decode import decode, time_text
from moorage.sdk.errors import UnexpectedAnswer

T = TypeVar("T")

Json: TypeAlias = Mapping[str, Any]
Query: TypeAlias = tuple[tuple[str, str], ...]
LARGEST_PAGE = 500


@dataclass(frozen=True)
class Request(Generic[T]):
    """One call.

    Attributes:
        method: the HTTP method.
        path: from ``/v1``, already quoted.
        parse: makes the result from the answer's JSON (None for 204), or from its bytes.
        query: pairs of the query string.
        body: the JSON body, or None; never shown, for it may hold secrets.
        headers: further headers, such as ``If-Match``.
        repeatable: sending it twice does what sending it once does.
        media_type: of an answer that is taken as it is, as bytes; None is JSON.

    """

    method: str
    path: str
    parse: Callable[[Any], T]
    query: Query = ()
    body: Json | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = ()
    repeatable: bool = True
    media_type: str | None = None


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page of a list; ``next_cursor`` is None on the last, ``rest`` is all else it holds."""

    items: tuple[T, ...]
    next_cursor: str | None
    rest: Json = field(default_factory=dict)


@dataclass(frozen=True)
class Listing(Generic[T]):
    """A list to be read page by page."""

    row: type[T]
    path: str
    query: Query = ()
    page_size: int = LARGEST_PAGE

    def page(self, cursor: str | None) -> Request[Page[T]]:
        """Ask for the page at a cursor; None is the first."""
        query = (*self.query, ("limit", str(self.page_size)))
        if cursor is not None:
            query = (*query, ("cursor", cursor))
        return Request("GET", self.path, self._parse, query)

    def _parse(self, answer: Any) -> Page[T]:
        if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
            raise UnexpectedAnswer("the server's answer is no page: it has no list called data")
        rest = {name: part for name, part in answer.items() if name not in ("data", "next_cursor")}
        rows = tuple(decode(self.row, one) for one in answer["data"])
        return Page(rows, answer.get("next_cursor"), rest)


def path_of(*parts: str) -> str:
    """Join path segments under ``/v1``, quoted, so that an id can never reach another address.

    Raises:
        ValueError: a part is empty or dots only, which would name another address.

    """
    for part in parts:
        if part.strip(".") == "":
            raise ValueError("an id is missing: it may not be empty or consist of dots")
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


def query_of(**given: Any) -> Query:
    """Make a query: None is left out, a list is repeated, times and booleans as the API spells."""
    pairs: list[tuple[str, str]] = []
    for name, value in given.items():
        values = [value] if isinstance(value, str) or not isinstance(value, Iterable) else value
        pairs += [(name, _text(one)) for one in values if one is not None]
    return tuple(pairs)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return time_text(value) if isinstance(value, datetime) else str(value)


def body_of(**given: Any) -> dict[str, Any]:
    """Make a body without what is None."""
    return {name: value for name, value in given.items() if value is not None}


def get(cls: type[T], path: str, query: Query = ()) -> Request[T]:
    """Read one thing."""
    return Request("GET", path, lambda answer: decode(cls, answer), query)


def download(path: str, media_type: str) -> Request[bytes]:
    """Read what is no JSON, whole."""
    accept = (("Accept", media_type),)
    return Request("GET", path, bytes, headers=accept, media_type=media_type)


def post(cls: type[T], path: str, body: Json | None = None) -> Request[T]:
    """Make something, once: the key makes a repetition answer like the first time."""
    key = (("Idempotency-Key", str(uuid.uuid4())),)
    return Request("POST", path, lambda answer: decode(cls, answer), body=body, headers=key)


def change(cls: type[T], method: str, path: str, body: Json | None = None) -> Request[T]:
    """PATCH, PUT or DELETE something; not repeated after a lost answer, which may have been yes."""
    return Request(method, path, lambda answer: decode(cls, answer), body=body, repeatable=False)


def remove(path: str) -> Request[None]:
    """DELETE what is answered without a body."""
    return Request("DELETE", path, lambda _: None, repeatable=False)


def if_match(request: Request[T], digest: str | None) -> Request[T]:
    """Guard a change by the digest that was read."""
    if digest is None:
        return request
    return replace(request, headers=(*request.headers, ("If-Match", f'"{digest}"')))
