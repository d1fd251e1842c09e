"""Encryption at rest of what must come back as it was: AES-256-GCM with the server's own key."""

import base64
import secrets
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from moorage.storage.errors import WrongKeys

_VERSION = "v1."
_NONCE_BYTES = 12
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Vault:
    """Seals JSON values into text and opens them again."""

    def __init__(self, key: bytes | None = None) -> None:
        """Take a key of 32 bytes; without one a key is made up that ends with the process.

        Nothing is ever stored in the clear: who opens a database without its key can write sealed
        values nobody will read again, but not leak any.
        """
        self._cipher = AESGCM(key or secrets.token_bytes(32))

    def seal(self, value: Any) -> str:
        """Encrypt a JSON value."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, _encode(value), _VERSION.encode())
        return _VERSION + base64.b64encode(nonce + sealed).decode()

    def open(self, text: str) -> Any:
        """Decrypt what ``seal`` made.

        Raises:
            WrongKeys: made with another key, or damaged.

        """
        try:
            raw = base64.b64decode(text.removeprefix(_VERSION), validate=True)
            return _decode(self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], b"v1."))
        except (ValueError, InvalidTag):
            raise WrongKeys(
                "an encrypted value cannot be read: the server's encryption key is not the one it "
                "was written with"
            ) from None
