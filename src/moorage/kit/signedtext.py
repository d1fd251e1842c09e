"""Texts that prove who wrote them: ``MARK.`` + base64url of JSON + ``.`` + base64url signature.

What is signed is all that stands before the last point, so a text made for one purpose is none for
another: their marks differ.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Signer(Protocol):
    """A signing key (Ed25519)."""

    def sign(self, data: bytes, /) -> bytes:
        """Return the signature, 64 bytes."""
        ...


def signed_text(mark: str, document: Mapping[str, Any], signer: Signer) -> str:
    """Return the document as a signed text."""
    compact = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    signed = f"{mark}.{_base64url(compact.encode())}"
    return f"{signed}.{_base64url(signer.sign(signed.encode('ascii')))}"


def read_signed(text: str, mark: str, public_key: bytes) -> dict[str, Any] | None:
    """Return the document of a text that the key (32 bytes) signed for this mark; None: it did not.

    A text that is written in another way than ``signed_text`` writes it is none.
    """
    parts = text.split(".")
    if len(parts) != 3 or parts[0] != mark:  # noqa: PLR2004 - mark, document, signature
        return None
    content, signature = _decoded(parts[1]), _decoded(parts[2])
    if content is None or signature is None:
        return None
    try:
        key = Ed25519PublicKey.from_public_bytes(public_key)
        key.verify(signature, f"{mark}.{parts[1]}".encode("ascii"))
        document = json.loads(content)
    except (InvalidSignature, ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decoded(text: str) -> bytes | None:
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
    return raw if _base64url(raw) == text else None
