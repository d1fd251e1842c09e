"""What can go wrong, as one tree. Catch as high as you can act on.

::

    MoorageError
    ├── ConnectionFailed          no answer: refused, broken off, or none in time
    ├── UnexpectedAnswer          an answer that is not this API's: a proxy's page, a redirect
    └── ApiError                  the server said no; ``status``, ``code``, ``detail``, ``faults``
        ├── Unauthenticated       401  the key is unknown, mistyped or revoked
        ├── Forbidden             403  the key may not do this
        │   └── MissingScope      403  it lacks the scope named in ``scope``
        ├── NotFound              404  absent, or not this key's to see
        ├── Conflict              409  conflicts with what is there
        ├── Gone                  410  it was deleted
        ├── PreconditionFailed    412  changed since it was read
        ├── TooLarge              413  the body is too large
        ├── Invalid               422  malformed; ``faults`` point at the parts
        ├── RateLimited           429  too many requests; ``retry_after_s``
        └── ServerFailed          5xx  a fault of the server's
            ├── Unavailable       503  overloaded or without storage; ``retry_after_s``
            └── StorageFull       507  its disk is full

No error repeats a key, a request's headers or its body.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Fault:
    """One thing wrong with a body: where (RFC 6901 pointer) and what."""

    pointer: str
    detail: str


class MoorageError(Exception):
    """Anything this client raises on purpose."""


class ConnectionFailed(MoorageError):
    """There was no answer, so whether the server did anything is unknown unless it was a read."""


class UnexpectedAnswer(MoorageError):
    """What answered does not speak this API, or a version of it that this client cannot read."""


class ApiError(MoorageError):
    """The server refused.

    Attributes:
        status: the HTTP status.
        code: stable, for programs; empty when something before the server refused.
        detail: one sentence for people.
        faults: the parts of the body that were wrong.
        retry_after_s: when trying again makes sense, or None.
        extra: further members of the problem document.

    """

    def __init__(  # noqa: PLR0913 - the parts of a problem document
        self,
        status: int,
        code: str,
        detail: str,
        *,
        faults: Sequence[Fault] = (),
        retry_after_s: float | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """Keep the parts."""
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.faults = tuple(faults)
        self.retry_after_s = retry_after_s
        self.extra = dict(extra or {})

    def __str__(self) -> str:
        at = [f.pointer for f in self.faults if f.detail == self.detail and f.pointer]
        said = f"{', '.join(at)}: {self.detail}" if at else self.detail
        said += f" ({self.status}{f' {self.code}' if self.code else ''})"
        parts = [f"{f.pointer}: {f.detail}" for f in self.faults if f.detail != self.detail]
        return "; ".join([said, *parts])


class Unauthenticated(ApiError):
    """401: the key is unknown, mistyped or revoked."""


class Forbidden(ApiError):
    """403: the key may not do this."""


class MissingScope(Forbidden):
    """403: the key lacks a scope."""

    @property
    def scope(self) -> str | None:
        """The scope that is missing."""
        named = self.extra.get("scope")
        return named if isinstance(named, str) else None


class NotFound(ApiError):
    """404: absent, or not this key's to see; the two look the same."""


class Conflict(ApiError):
    """409: conflicts with what is there; ``code`` says how."""


class Gone(ApiError):
    """410: it was deleted."""


class PreconditionFailed(ApiError):
    """412: changed since it was read; read it again and repeat the change."""


class TooLarge(ApiError):
    """413: the body is too large."""


class Invalid(ApiError):
    """422: malformed; ``faults`` point at the parts."""


class RateLimited(ApiError):
    """429: too many requests; ``retry_after_s`` says how long to wait."""


class ServerFailed(ApiError):
    """5xx: a fault of the server's."""


class Unavailable(ServerFailed):
    """503: overloaded or without storage; nothing was changed."""


class StorageFull(ServerFailed):
    """507: the server's disk is full; nothing was changed."""


_BY_STATUS: dict[int, type[ApiError]] = {
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    412: PreconditionFailed,
    413: TooLarge,
    422: Invalid,
    429: RateLimited,
    503: Unavailable,
    507: StorageFull,
}
_SERVER_ERRORS = 500


def class_for(status: int, code: str) -> type[ApiError]:
    """Return the class that stands for a status and a code."""
    if code == "missing_scope":
        return MissingScope
    return _BY_STATUS.get(status, ServerFailed if status >= _SERVER_ERRORS else ApiError)
