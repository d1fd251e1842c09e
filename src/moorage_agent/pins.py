"""What a pin names: the server's certificate, or the public key in it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import NamedTuple, Tuple

_SEQUENCE, _INTEGER, _VERSION = 0x30, 0x02, 0xA0
# Of a certificate after its version: serial number, algorithm, issuer, validity, subject.
_BEFORE_KEY = (_INTEGER, _SEQUENCE, _SEQUENCE, _SEQUENCE, _SEQUENCE)
_LONG = 0x80
_DIGEST_BYTES = 32


class Pin(NamedTuple):
    """A SHA-256 digest, of the certificate's public key or of all of it.

    ``sha256//`` and base64 is the key's, as ``curl --pinnedpubkey`` has it: it outlives the
    certificate, which may be renewed with the same key. ``sha256:`` and hex is the certificate's.
    """

    of_key: bool
    digest: bytes

    def refusal(self, certificate: bytes) -> str:
        """Say why this certificate (DER) is not the one; empty when it is."""
        if self.of_key:
            try:
                seen = hashlib.sha256(public_key(certificate)).digest()
            except ValueError as error:
                return str(error)
            what, shown = "public key", "sha256//" + base64.b64encode(seen).decode("ascii")
        else:
            seen = hashlib.sha256(certificate).digest()
            what, shown = "certificate", "sha256:" + seen.hex()
        if hmac.compare_digest(seen, self.digest):
            return ""
        return "the server's %s is not the pinned one (it is %s)" % (what, shown)


def parse(text: str) -> Pin:
    """Read a pin. Raises ValueError."""
    of_key = text.startswith("sha256//")
    try:
        if of_key:
            digest = base64.b64decode(text[8:].encode("ascii"), validate=True)
        elif text.startswith("sha256:"):
            digest = binascii.unhexlify(text[7:].encode("ascii"))
        else:
            digest = b""
    except ValueError:
        digest = b""
    if len(digest) != _DIGEST_BYTES:
        raise ValueError(
            "a pin is sha256// and base64 of a key's digest, or sha256: and 64 hex digits of a "
            "certificate's"
        )
    return Pin(of_key, digest)


def public_key(certificate: bytes) -> bytes:
    """Return the SubjectPublicKeyInfo (DER) of a certificate (DER).

    TLS has found that the other side holds the key that OpenSSL reads in the certificate. That is
    worth something only if this reads the very same, whatever was sent: so each tag must be the one
    that belongs there, and lengths of the indefinite form, which move what follows, are refused.

    Raises:
        ValueError: it is not built as a certificate is.

    """
    start, _ = _inside(certificate, 0, _SEQUENCE)
    at, _ = _inside(certificate, start, _SEQUENCE)
    if certificate[at : at + 1] == bytes((_VERSION,)):
        at = _inside(certificate, at, _VERSION)[1]
    for tag in _BEFORE_KEY:
        at = _inside(certificate, at, tag)[1]
    return certificate[at : _inside(certificate, at, _SEQUENCE)[1]]


def _inside(data: bytes, at: int, tag: int) -> Tuple[int, int]:
    """Return where the content of an element begins and ends. Raises ValueError."""
    if len(data) < at + 2 or data[at] != tag:
        raise _malformed()
    length, start = data[at + 1], at + 2
    if length >= _LONG:
        size = length - _LONG
        if not 1 <= size <= 4:
            raise _malformed()
        length, start = int.from_bytes(data[start : start + size], "big"), start + size
    if start + length > len(data):
        raise _malformed()
    return start, start + length


def _malformed() -> ValueError:
    return ValueError(
        "the server's certificate is not built as one is, so its key is not looked at"
    )
