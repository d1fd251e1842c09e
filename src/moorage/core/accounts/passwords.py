"""Hashing passwords: slow by design, so off the event loop and only a few at once."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import anyio
import anyio.to_thread
from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from moorage.core.accounts import rules
from moorage.core.accounts.model import Origin
from moorage.core.errors import DomainError, Kind

T = TypeVar("T")

# What RFC 9106 (4, second choice) recommends where memory is not abundant: 64 MiB for each.
_MEMORY_KIB, _PASSES, _LANES = 64 * 1024, 3, 4
_AT_ONCE = 2
_MOST_WAITING = 32
_SALT_BYTES, _HASH_BYTES = 16, 32


@dataclass(frozen=True)
class Attempt:
    """Somebody shows a password. Whether there is an account is not to be told from here."""

    email: str
    origin: Origin
    account_id: str | None = field(repr=False)
    stored: str | None = field(repr=False)


@dataclass(frozen=True)
class Checked:
    """An attempt whose password was looked at; ``renewed`` is it hashed as is usual by now."""

    attempt: Attempt
    matched: bool = field(repr=False)
    renewed: str | None = field(default=None, repr=False)


class Passwords:
    """Hashes and compares, with the same effort whether there is something to compare with.

    ``computed`` counts what was hashed.
    """

    def __init__(
        self,
        *,
        memory_kib: int = _MEMORY_KIB,
        passes: int = _PASSES,
        lanes: int = _LANES,
        at_once: int = _AT_ONCE,
        most_waiting: int = _MOST_WAITING,
    ) -> None:
        """Take what one hash costs, how many are made at once and how many may wait for it."""
        self._hasher = PasswordHasher(
            time_cost=passes,
            memory_cost=memory_kib,
            parallelism=lanes,
            hash_len=_HASH_BYTES,
            salt_len=_SALT_BYTES,
            type=Type.ID,
        )
        self._nobodys = _hash_of_nobody(memory_kib, passes, lanes)
        self._limiter = anyio.CapacityLimiter(at_once)
        self._under_way = 0
        self._most = at_once + most_waiting
        self.computed = 0

    async def hash(self, password: str, *, email: str | None = None) -> str:
        """Return a new password as it is kept.

        Raises:
            DomainError: ``invalid`` for one that is too short or easily guessed; ``unavailable``
                while too many wait.

        """
        rules.check_password(password, email=email)
        return await self._run(lambda: self._hashed(password))

    async def check(self, attempt: Attempt, password: str) -> Checked:
        """Compare. Without an account or a password of it, with what nobody's password is.

        Raises:
            DomainError: ``unavailable`` while too many wait.

        """
        stored = attempt.stored or self._nobodys
        matched = await self._run(lambda: self._matches(stored, password))
        renewed = None
        if matched and self._hasher.check_needs_rehash(stored):
            renewed = await self._run(lambda: self._hashed(password))
        return Checked(attempt, matched and attempt.stored is not None, renewed)

    def _hashed(self, password: str) -> str:
        return self._hasher.hash(rules.fold_password(password))

    def _matches(self, stored: str, password: str) -> bool:
        # Nobody has a password that long; it costs as much to say so as any other.
        shown = rules.fold_password(password)[: rules.LONGEST_PASSWORD + 1]
        try:
            return self._hasher.verify(stored, shown)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._under_way >= self._most:
            raise DomainError(
                Kind.UNAVAILABLE,
                "sign_in_busy",
                "too many people sign in at this moment; try again in some seconds",
                retry_after_s=5,
            )
        self._under_way += 1
        try:
            # A request that is given up does not give its place away before its thread is done.
            found = await anyio.to_thread.run_sync(work, limiter=self._limiter)
        finally:
            self._under_way -= 1
        self.computed += 1
        return found


def _hash_of_nobody(memory_kib: int, passes: int, lanes: int) -> str:
    """Return a hash that no password has, at the usual cost: its 256 bits are all zero."""
    salt, none = (
        base64.b64encode(bytes(size)).decode().rstrip("=") for size in (_SALT_BYTES, _HASH_BYTES)
    )
    return f"$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${none}"
