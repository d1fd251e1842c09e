"""How the core says no: one error with a small closed kind, a stable code and a plain sentence.

Dialects turn ``kind`` into a status and a body in one table each, so a new error is right
everywhere without an edit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from moorage.kit.jsonvalue import UnfitJsonError
from moorage.kit.pages import BadCursorError
from moorage.storage import (
    MissingParent,
    StorageBusy,
    StorageError,
    StorageFull,
    StorageRefusesRow,
)


class Kind(StrEnum):
    """What went wrong, seen from the one who asked."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    MISSING_SCOPE = "missing_scope"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    GONE = "gone"
    LIMITED = "limited"
    UNAVAILABLE = "unavailable"
    TOO_LARGE = "too_large"
    PRECONDITION = "precondition"
    STORAGE_FULL = "storage_full"


@dataclass(frozen=True)
class Fault:
    """One thing wrong with a body: where (RFC 6901 pointer) and what."""

    pointer: str
    detail: str


class DomainError(Exception):
    """The core's refusal.

    Attributes:
        kind: the closed set dialects map.
        code: stable, for programs.
        detail: one sentence for people: what was wrong and what would be right, never a secret.
        faults: the parts of a body that were wrong.
        extra: members a program needs to go on (the server's ``sequence`` on a fork).
        retry_after_s: when trying again makes sense, or None.

    """

    def __init__(  # noqa: PLR0913 - the parts of a refusal
        self,
        kind: Kind,
        code: str,
        detail: str,
        *,
        faults: Sequence[Fault] = (),
        extra: Mapping[str, Any] | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        """Keep the parts."""
        super().__init__(detail)
        self.kind = kind
        self.code = code
        self.detail = detail
        self.faults = tuple(faults)
        self.extra = dict(extra or {})
        self.retry_after_s = retry_after_s


def invalid(pointer: str, detail: str, *, code: str = "invalid") -> DomainError:
    """Refuse one part of a body."""
    return DomainError(Kind.INVALID, code, detail, faults=[Fault(pointer, detail)])


def not_found(what: str) -> DomainError:
    """Refuse what is absent or another workspace's: the two must look the same."""
    return DomainError(Kind.NOT_FOUND, "not_found", f"there is no such {what}")


def of_exception(error: Exception) -> DomainError | None:
    """Say an error from below in the core's words; None for one that nobody foresaw."""
    if isinstance(error, DomainError):
        return error
    if isinstance(error, BadCursorError):
        return invalid(
            "/cursor", "the cursor is not one this list gave out; leave it out to start over"
        )
    if isinstance(error, UnfitJsonError):
        return invalid(error.pointer, error.detail)
    if isinstance(error, StorageError):
        return _of_storage(error)
    return None


def _of_storage(error: StorageError) -> DomainError:
    if isinstance(error, StorageFull):
        return DomainError(
            Kind.STORAGE_FULL,
            "storage_full",
            "the server's storage is full; nothing was changed",
            retry_after_s=60,
        )
    if isinstance(error, MissingParent):
        return DomainError(
            Kind.CONFLICT, "gone_meanwhile", "what this belongs to was deleted meanwhile"
        )
    if isinstance(error, StorageRefusesRow):
        return DomainError(Kind.INVALID, "value_out_of_range", str(error))
    wait = 1 if isinstance(error, StorageBusy) else 5
    return DomainError(
        Kind.UNAVAILABLE,
        "storage_unavailable",
        "the server cannot reach its storage right now; nothing was changed, try again",
        retry_after_s=wait,
    )
