"""Checking Ed25519 signatures (RFC 8032, section 5.1.7). Signs nothing, holds no secrets.

So it need not run in constant time: all that goes in is public. One check takes some tens of
milliseconds on a small board, and it is done once in a device's life.
"""

from __future__ import annotations

import hashlib
from typing import Optional, Tuple

# The field, the order of the base point, the curve's constant: -x² + y² = 1 + d·x²·y².
_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_ROOT_OF_MINUS_ONE = pow(2, (_P - 1) // 4, _P)

KEY_BYTES = 32
SIGNATURE_BYTES = 64

# (X, Y, Z, T) stands for x = X/Z, y = Y/Z, x·y = T/Z.
_Point = Tuple[int, int, int, int]
_NEUTRAL: _Point = (0, 1, 1, 0)


def is_valid(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the signature of the message was made with the key's private half.

    Strict: of the several ways to write the same numbers only the canonical one counts, S is below
    the group's order, and a key of small order, which anything could be signed for, is none.
    """
    if len(public_key) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    key = _decoded(public_key)
    if key is None or _is_neutral(_times(8, key)):
        return False
    s = int.from_bytes(signature[32:], "little")
    if s >= _L:
        return False
    hashed = hashlib.sha512(signature[:32] + public_key + message).digest()
    k = int.from_bytes(hashed, "little") % _L
    # S·B = R + k·A, so R is S·B - k·A; comparing what that is written as leaves R one form only.
    found = _sum(_times(s, _BASE), _times(k, _negative(key)))
    return _encoded(found) == signature[:32]


def _decoded(data: bytes) -> Optional[_Point]:
    """Return the point (section 5.1.3), or None when there is none or its form is not canonical."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & ((1 << 255) - 1)
    if y >= _P:
        return None
    # x² = u / v
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    x = u * pow(v, 3, _P) * pow(u * pow(v, 7, _P), (_P - 5) // 8, _P) % _P
    if (v * x * x - u) % _P:
        x = x * _ROOT_OF_MINUS_ONE % _P
        if (v * x * x - u) % _P:
            return None
    if x == 0 and sign:
        return None
    if x & 1 != sign:
        x = _P - x
    return (x, y, 1, x * y % _P)


def _encoded(point: _Point) -> bytes:
    x, y, z, _ = point
    inverse = pow(z, _P - 2, _P)
    x, y = x * inverse % _P, y * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _sum(one: _Point, other: _Point) -> _Point:
    # The addition law of a twisted Edwards curve with a = -1; complete, so doubling is no case.
    x1, y1, z1, t1 = one
    x2, y2, z2, t2 = other
    a = (y1 - x1) * (y2 - x2) % _P
    b = (y1 + x1) * (y2 + x2) % _P
    c = 2 * _D * t1 * t2 % _P
    d = 2 * z1 * z2 % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _times(factor: int, point: _Point) -> _Point:
    total = _NEUTRAL
    for bit in "{:b}".format(factor):
        total = _sum(total, total)
        if bit == "1":
            total = _sum(total, point)
    return total


def _negative(point: _Point) -> _Point:
    x, y, z, t = point
    return (-x % _P, y, z, -t % _P)


def _is_neutral(point: _Point) -> bool:
    x, y, z, _ = point
    return x % _P == 0 and (y - z) % _P == 0


def _base() -> _Point:
    y = 4 * pow(5, _P - 2, _P) % _P
    point = _decoded(y.to_bytes(32, "little"))  # of the two the one whose x is even
    assert point is not None
    return point


_BASE = _base()
