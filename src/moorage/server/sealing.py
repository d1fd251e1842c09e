"""The server's keys inside a backup: sealed with a passphrase, scrypt and AES-256-GCM."""

import secrets
from collections.abc import Mapping

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from moorage.storage.archive import ArchiveError

SHORTEST_PASSPHRASE = 12
_KEY_BYTES = 32
_SALT_BYTES = 16
_NONCE_BYTES = 12
# 128 MiB and some tenths of a second for each guess.
_COST, _BLOCKS, _LANES = 2**17, 8, 1
# What a file may ask for at most: a made-up one must not take the machine's memory.
_MOST_COST = 2**20


class Sealed(msgspec.Struct, frozen=True):
    """How to open it: all but the passphrase. ``n``, ``r`` and ``p`` are scrypt's."""

    kdf: str
    n: int
    r: int
    p: int
    salt: bytes
    cipher: str
    nonce: bytes
    sealed: bytes


def seal(keys: Mapping[str, bytes], passphrase: str) -> bytes:
    """Return files by name as JSON that opens with the passphrase."""
    salt, nonce = secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_NONCE_BYTES)
    head = Sealed("scrypt", _COST, _BLOCKS, _LANES, salt, "aes-256-gcm", nonce, b"")
    cipher = AESGCM(_derived(head, passphrase))
    sealed = cipher.encrypt(nonce, msgspec.json.encode(dict(keys)), msgspec.json.encode(head))
    return msgspec.json.encode(msgspec.structs.replace(head, sealed=sealed))


def unseal(raw: bytes, passphrase: str) -> dict[str, bytes]:
    """Return the files again.

    Raises:
        ArchiveError: another passphrase, or damaged.

    """
    try:
        given = msgspec.json.decode(raw, type=Sealed)
    except msgspec.MsgspecError:
        raise ArchiveError("the keys in the backup cannot be read: they are damaged") from None
    known = (given.kdf, given.r, given.p, given.cipher) == (
        *("scrypt", _BLOCKS, _LANES),
        "aes-256-gcm",
    )
    if not known or not 1 < given.n <= _MOST_COST or given.n & (given.n - 1):
        raise ArchiveError("the keys in the backup are sealed in a way this release does not know")
    head = msgspec.structs.replace(given, sealed=b"")
    try:
        opened = AESGCM(_derived(head, passphrase)).decrypt(
            given.nonce, given.sealed, msgspec.json.encode(head)
        )
    except (InvalidTag, ValueError):
        raise ArchiveError(
            "the passphrase does not open the keys in the backup (or they are damaged)"
        ) from None
    return msgspec.json.decode(opened, type=dict[str, bytes])


def _derived(head: Sealed, passphrase: str) -> bytes:
    derive = Scrypt(salt=head.salt, length=_KEY_BYTES, n=head.n, r=head.r, p=head.p)
    return derive.derive(passphrase.encode())
