"""Bearer tokens: what a login hands out, and what is read from one that comes back."""

from datetime import datetime, timedelta
from typing import Any

import jwt
import msgspec

from moorage.core import keys
from moorage.core.caller import Caller

GOOD_FOR = timedelta(hours=1)
# Servers of one database may be this far apart.
_CLOCKS_APART = timedelta(minutes=1)
_ISSUER = "moorage"
_ALGORITHM = "HS256"


class Claims(msgspec.Struct, frozen=True):
    """What a token says; times are seconds since 1970."""

    account_id: str
    key_id: str
    live_mode: bool
    nbf: int
    exp: int


class Tokens:
    """Signs and reads tokens. One opens nothing by itself: the key it names is looked up."""

    def __init__(self, key: bytes) -> None:
        """Take a key of 32 bytes."""
        self._key = key

    def issue(self, caller: Caller, now: datetime) -> str:
        """Return a token that stands for a workspace key."""
        at = int(now.timestamp())
        claims: dict[str, Any] = {
            "account_id": caller.workspace_id,
            "live_mode": caller.live,
            "sub": caller.workspace_id,
            "iss": _ISSUER,
            "iat": at,
            "nbf": at,
            "exp": at + int(GOOD_FOR.total_seconds()),
            "key_id": caller.key_id,
        }
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM)

    def read(self, text: str, now: datetime) -> Claims:
        """Return what a token says.

        Raises:
            DomainError: ``unauthenticated``, one text for forged, damaged and expired.

        """
        try:
            told = jwt.decode(
                text,
                self._key,
                algorithms=[_ALGORITHM],
                issuer=_ISSUER,
                # Judged below, by the clock that the rest of the server goes by.
                options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
            claims = msgspec.convert(told, Claims)
        except (jwt.InvalidTokenError, msgspec.ValidationError, RecursionError):
            raise keys.unauthenticated() from None
        at = now.timestamp()
        if not claims.nbf - _CLOCKS_APART.total_seconds() <= at < claims.exp:
            raise keys.unauthenticated()
        return claims
