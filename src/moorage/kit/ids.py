"""Identifiers: time-ordered public ids, row ids, and key texts with a checksum."""

import random
import re
import secrets
import threading
import time
import uuid
import zlib
from datetime import datetime

_KEY_TEXT = re.compile(r"([a-z]+(?:_[a-z]+)?_)([0-9a-f]{40})([0-9a-f]{8})")


class _Ascending:
    """Numbers that sort by time of making: milliseconds, then random bits that count up.

    Identifiers, not secrets: they need to differ, not to be hard to guess.
    """

    def __init__(self, random_bits: int) -> None:
        self._bits = random_bits
        self._last = 0
        self._lock = threading.Lock()

    def next(self) -> int:
        milliseconds = time.time_ns() // 1_000_000
        # One bit stays free, so that counting up within a millisecond does not run into the next.
        fresh = milliseconds << self._bits | random.getrandbits(self._bits - 1)
        with self._lock:
            self._last = fresh if fresh > self._last else self._last + 1
            return self._last


_PUBLIC_RANDOM_BITS = 48
_PUBLIC_RANDOM_MASK = (1 << _PUBLIC_RANDOM_BITS) - 1
_public = _Ascending(random_bits=_PUBLIC_RANDOM_BITS)
_ROW_RANDOM_BITS = 21
_rows = _Ascending(random_bits=_ROW_RANDOM_BITS)


def new_id(prefix: str) -> str:
    """Return ``prefix`` + 24 lower-case hex digits that sort by time of making.

    Ids made by one process in the same millisecond still ascend, so a list by id is a list by age.
    """
    return f"{prefix}{_public.next():024x}"


def new_uuid() -> str:
    """Return a UUID that sorts by time of making, as text (version 7, RFC 9562, 5.7)."""
    stamped = _public.next()
    milliseconds, random_bits = stamped >> _PUBLIC_RANDOM_BITS, stamped & _PUBLIC_RANDOM_MASK
    # 12 bits after the version and 36 after the variant count up; the last 26 are random.
    low = (random_bits & 0xF_FFFF_FFFF) << 26 | random.getrandbits(26)
    value = milliseconds << 80 | 7 << 76 | (random_bits >> 36) << 64 | 2 << 62 | low
    return str(uuid.UUID(int=value))


def new_row_id() -> int:
    """Return a positive 63-bit integer that sorts by time of making: the tie-breaker in a key."""
    return _rows.next()


def row_id_at(at: datetime) -> int:
    """Return the least row id that could have been made at a time."""
    return int(at.timestamp() * 1000) << _ROW_RANDOM_BITS


def new_key_text(prefix: str) -> str:
    """Return a new secret: ``prefix_`` + 40 random hex digits (160 bits) + CRC-32 of all before.

    The checksum lets a typo be told from an unknown key without a look-up, and lets a secret
    scanner match the text with certainty.
    """
    head = f"{prefix}_{secrets.token_hex(20)}"
    return f"{head}{zlib.crc32(head.encode()):08x}"


def key_text_prefix(text: str) -> str | None:
    """Return the prefix of a well-formed key text (``sk_live``), or None for a typo or garbage."""
    found = _KEY_TEXT.fullmatch(text)
    if found is None:
        return None
    if f"{zlib.crc32(text[:-8].encode()):08x}" != found[3]:
        return None
    return found[1][:-1]
