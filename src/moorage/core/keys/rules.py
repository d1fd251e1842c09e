"""The form of key texts and who may grant what."""

import hashlib
from collections.abc import Iterable

from moorage.core.caller import Caller, Scope
from moorage.core.errors import DomainError, Kind, invalid
from moorage.kit.ids import key_text_prefix

LIVE_PREFIX = "sk_live"
TEST_PREFIX = "sk_test"
DEVICE_PREFIX = "adk"
_SHOWN = 8
_LONGEST_NAME = 128

_PREFIXES = frozenset({LIVE_PREFIX, TEST_PREFIX, DEVICE_PREFIX})


def digest(text: str) -> str:
    """Hex SHA-256: enough, because a key is 160 random bits and no password."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def looks_like_key(text: str) -> bool:
    """Whether the text is well formed: known prefix, right checksum. Says nothing of validity."""
    return key_text_prefix(text) in _PREFIXES


def shown_prefix(text: str) -> str:
    """Return the start of the text that may be shown."""
    return text[: text.rindex("_") + 1 + _SHOWN]


def check_name(name: str) -> str:
    """Return a key's name trimmed, for whoever has no shapes of its own to check it by.

    Raises:
        DomainError: ``invalid``.

    """
    trimmed = name.strip()
    if not trimmed or len(trimmed) > _LONGEST_NAME or not trimmed.isprintable():
        raise invalid("/name", f"a key's name is 1 to {_LONGEST_NAME} printable characters")
    return trimmed


def parse_scopes(names: Iterable[str]) -> frozenset[Scope]:
    """Return the scopes named. Raises DomainError ``invalid`` that lists those there are."""
    known = {str(scope) for scope in Scope}
    wanted = list(names)
    for at, name in enumerate(wanted):
        if name not in known:
            raise invalid(
                f"/scopes/{at}", f"there is no scope of that name; there are {sorted(known)}"
            )
    return frozenset(Scope(name) for name in wanted)


def check_grant(caller: Caller, scopes: frozenset[Scope] | None) -> None:
    """Raise DomainError ``forbidden`` when the caller grants more than it holds itself."""
    if caller.scopes is None:
        return
    if scopes is None or not scopes <= caller.scopes:
        raise DomainError(
            Kind.FORBIDDEN,
            "grant_exceeds_own",
            "a key can grant only scopes it holds itself; leave out the others",
        )
