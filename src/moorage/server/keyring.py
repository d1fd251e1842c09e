"""The server's own keys: one to encrypt with, one to sign with. Made once, owner-only."""

import base64
import fcntl
import hashlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

_ENCRYPTION = "encryption.key"
_SIGNING = "signing.pem"
KEY_FILES = (_ENCRYPTION, _SIGNING)
_KEY_BYTES = 32


class KeysMissing(Exception):
    """The keys are not where they must be, or are none."""


@dataclass(frozen=True)
class Keyring:
    """The keys. ``encryption`` is 32 random bytes; ``signing`` Ed25519."""

    encryption: bytes = field(repr=False)
    signing: Ed25519PrivateKey = field(repr=False)

    @property
    def public_key(self) -> bytes:
        """What signatures are checked with, 32 bytes; devices may have it baked in."""
        return self.signing.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def login_key(self) -> bytes:
        """What login tokens are signed with, 32 bytes; the same on every server of these keys."""
        derived = HKDF(SHA256(), length=_KEY_BYTES, salt=None, info=b"moorage login tokens v1")
        return derived.derive(self.encryption)

    @property
    def check_values(self) -> dict[str, str]:
        """What a database remembers, to know its keys by: nothing to compute them from."""
        return {
            "encryption": hashlib.sha256(b"moorage key check:" + self.encryption).hexdigest(),
            "signing": self.public_key.hex(),
        }


def open_keyring(folder: Path, *, create: bool) -> Keyring:
    """Read the keys of a folder; make them there when ``create`` and there are none.

    Raises:
        KeysMissing: they are not there, or a file holds no key.

    """
    encryption, signing = folder / _ENCRYPTION, folder / _SIGNING
    try:
        if create:
            _make_once(folder)
        key = base64.b64decode(encryption.read_bytes().strip(), validate=True)
        signer = load_pem_private_key(signing.read_bytes(), password=None)
    except FileNotFoundError as error:
        raise KeysMissing(
            f"the key file {error.filename} is missing; put back the keys folder that belongs to "
            "this database (without it, what was encrypted cannot be read)"
        ) from None
    except OSError as error:
        raise KeysMissing(
            f"the keys in {folder} cannot be read or made: {error.strerror}"
        ) from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeysMissing(
            f"a key file in {folder} is damaged; put back the keys folder that belongs to this "
            "database"
        ) from None
    if len(key) != _KEY_BYTES or not isinstance(signer, Ed25519PrivateKey):
        raise KeysMissing(f"the key files in {folder} are not ones Moorage made")
    return Keyring(key, signer)


def same_keys(found: Mapping[str, str], known: Mapping[str, str]) -> bool:
    """Whether keys by their check values are those a database knows; a fresh one knows none."""
    return all(found.get(name, value) == value for name, value in known.items())


def key_files(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder by name, for a backup. Raises OSError."""
    return {name: (folder / name).read_bytes() for name in KEY_FILES}


def put_key_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files that ``key_files`` returned into a folder that has none. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in KEY_FILES:
        _write(folder / name, files[name])


def _make_once(folder: Path) -> None:
    """Make the keys unless they are there; of two processes at once, one makes them for both."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / _ENCRYPTION).exists() or (folder / _SIGNING).exists():
            return
        pem = Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        _write(folder / _SIGNING, pem)
        _write(folder / _ENCRYPTION, base64.b64encode(secrets.token_bytes(_KEY_BYTES)))


def _write(path: Path, content: bytes) -> None:
    """Write a file owner-only, whole or not at all, and durably."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
