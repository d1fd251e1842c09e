"""The signed list of servers: where a fleet's own server is to be found from now on. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional, Tuple

from moorage_agent import signed

MARK = "MRS1"
_MOST = 16
_LONGEST_URL = 500
_LONGEST_PIN = 200
_LONGEST_CA = 64 * 1024


class Address(NamedTuple):
    """Where a server is, and how it is known there: by a pin, by certificates (PEM), by neither."""

    url: str
    pin: Optional[str] = None
    ca_pem: Optional[str] = None


class Listed(NamedTuple):
    """Addresses in the order in which they are to be tried; ``issued_at`` in ms since 1970."""

    addresses: Tuple[Address, ...]
    issued_at: int


def listed(text: object, key: bytes) -> Listed:
    """Return what a list says, once its signature is checked.

    Raises:
        ValueError: it is no list, or not by this key.

    """
    found = signed.parsed(text, MARK)
    if found is None:
        raise ValueError("it is no signed list: that begins with %s. and has two more parts" % MARK)
    if not found.is_by(key):
        raise ValueError("it is not signed with the key that this device knows its server by")
    told = found.document() or {}
    entries, issued_at = told.get("servers"), told.get("issued_at")
    if not isinstance(entries, list) or type(issued_at) is not int or not 0 < len(entries) <= _MOST:
        raise ValueError("it is of a form that this agent does not know; update the agent")
    return Listed(tuple(_address(entry) for entry in entries), issued_at)


def _address(entry: Any) -> Address:
    told = entry if isinstance(entry, dict) else {}
    url, pin, ca_pem = told.get("url"), told.get("pin"), told.get("ca")
    if not isinstance(url, str) or not _is_text(url, _LONGEST_URL):
        raise ValueError("an entry of it has no address")
    for value, longest in ((pin, _LONGEST_PIN), (ca_pem, _LONGEST_CA)):
        if value is not None and not _is_text(value, longest):
            raise ValueError("the pin or the certificates of %s are no text" % url)
    return Address(url.rstrip("/"), pin, ca_pem)


def _is_text(value: Any, longest: int) -> bool:
    return isinstance(value, str) and 0 < len(value) <= longest
