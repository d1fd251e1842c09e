"""Told apart from None: the caller said nothing about it."""

from enum import Enum


class Unset(Enum):
    """The type of ``UNSET``, so that a type checker can tell it."""

    UNSET = 0


UNSET = Unset.UNSET
