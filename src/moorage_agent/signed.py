"""Texts that a server signed: ``MARK.`` + base64url of JSON + ``.`` + base64url of the signature.

The mark is part of what is signed, so a text made for one purpose is none for another. Pure.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any, Dict, NamedTuple, Optional

from moorage_agent import ed25519

_FORM = re.compile(r"([A-Z0-9]{4})\.([A-Za-z0-9_-]{1,65536})\.([A-Za-z0-9_-]{86})")
_KEY = re.compile(r"[A-Za-z0-9_-]{43}")


class Signed(NamedTuple):
    """A text of that form. ``content`` and ``signature`` are None when they are written wrongly."""

    signed: bytes
    content: Optional[bytes]
    signature: Optional[bytes]

    def is_by(self, key: bytes) -> bool:
        """Whether the key's owner signed it."""
        if self.content is None or self.signature is None:
            return False
        return ed25519.is_valid(key, self.signed, self.signature)

    def document(self) -> Optional[Dict[str, Any]]:
        """Return the JSON object in it, of the one form there is by now, or None."""
        try:
            told = json.loads((self.content or b"").decode("utf-8"))
        except (ValueError, RecursionError):
            return None
        return told if isinstance(told, dict) and told.get("v") == 1 else None


def parsed(text: object, mark: str) -> Optional[Signed]:
    """Return the parts of a text with that mark; None: it is no such text, or no text at all."""
    found = _FORM.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None or found.group(1) != mark:
        return None
    signed = ("%s.%s" % (mark, found.group(2))).encode("ascii")
    return Signed(signed, decoded(found.group(2)), decoded(found.group(3)))


def is_like_key(text: str) -> bool:
    """Whether a text looks like a public key, right or mistyped."""
    return _KEY.fullmatch(text) is not None


def key_of(text: object) -> Optional[bytes]:
    """Return the public key that a text is (base64url of 32 bytes), or None."""
    return decoded(text) if isinstance(text, str) and is_like_key(text) else None


def key_text(key: bytes) -> str:
    """Write a public key as ``key_of`` reads it."""
    return base64.urlsafe_b64encode(key).rstrip(b"=").decode("ascii")


def decoded(text: str) -> Optional[bytes]:
    """Return what base64url without padding stands for, or None when it is not written so."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
    written = base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
    return raw if written == text else None
