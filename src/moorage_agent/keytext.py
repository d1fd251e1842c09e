"""The form of keys and tokens: prefix, 40 random hex digits, CRC-32 of all that as 8 hex digits."""

import re
import secrets
import zlib

_FORM = re.compile(r"(adk|inst|apt)_[0-9a-f]{48}")
_SECRET = re.compile(r"\b(adk|inst|apt|sk_live|sk_test)_[0-9a-f]{16,}")


def new_device_key() -> str:
    """Make a device key: 160 random bits and a checksum."""
    head = "adk_" + secrets.token_hex(20)
    return head + _checksum(head)


def kind_of(text: str) -> str:
    """Return ``adk``, ``inst`` or ``apt``.

    Raises:
        ValueError: not a key or token, or mistyped; the text is not repeated.

    """
    found = _FORM.fullmatch(text)
    if not found:
        raise ValueError("a token is inst_ or apt_ and 48 hex digits; copy the whole of it")
    if _checksum(text[:-8]) != text[-8:]:
        raise ValueError("the token is mistyped (its checksum is wrong); copy it once more")
    return found.group(1)


def redacted(text: str) -> str:
    """Return the text with any key or token in it cut down to its kind."""
    return _SECRET.sub(r"\1_***", text)


def _checksum(head: str) -> str:
    return "%08x" % zlib.crc32(head.encode("ascii"))
