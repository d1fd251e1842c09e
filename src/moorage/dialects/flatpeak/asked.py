"""What is known of the request that is being answered: its errors say it, wherever they begin."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from moorage.dialects.flatpeak.scopes import UNKNOWN, Operation


@dataclass(frozen=True)
class Credential:
    """What a request shows of itself, right in form; whether it opens anything is asked later.

    Attributes:
        live: the mode it claims.
        counted_as: what limits count by.
        account_id: the workspace it names; None for a bare API key.
        key_id: the key behind a token.
        key_text: the API key, where it is one.

    """

    live: bool
    counted_as: str
    account_id: str | None = None
    key_id: str | None = None
    key_text: str | None = None

    def __repr__(self) -> str:
        """Hide the key, also where ``counted_as`` is one."""
        return f"Credential(live={self.live}, account_id={self.account_id}, key_id={self.key_id})"


@dataclass
class Asked:
    """``operation`` is None where no route answers."""

    operation: Operation | None = None
    credential: Credential | None = None

    @property
    def context(self) -> str:
        """How errors name what was asked for."""
        return UNKNOWN if self.operation is None else self.operation.context

    @property
    def live(self) -> bool | None:
        """The mode, as far as credentials tell one."""
        return None if self.credential is None else self.credential.live


_current: ContextVar[Asked | None] = ContextVar("flatpeak_asked", default=None)


def current() -> Asked:
    """Return what is known of the request at hand."""
    return _current.get() or Asked()


@contextmanager
def asking(asked: Asked) -> Iterator[None]:
    """Make this the request at hand."""
    before = _current.set(asked)
    try:
        yield
    finally:
        _current.reset(before)
