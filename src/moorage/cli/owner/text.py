"""Texts for people: spans and times as they are typed, and strange text made harmless."""

import re
import unicodedata
from datetime import UTC, datetime, timedelta

from moorage.cli.owner.outcomes import usage

_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SPAN = re.compile(r"(\d{1,9})([smhd]?)")
# What a terminal obeys or what changes the order of what is read: controls, bidirectional marks,
# line separators, half characters.
_STRANGE = {"Cc", "Cf", "Zl", "Zp", "Cs"}


def visible(text: str) -> str:
    """Write what a terminal would obey as an escape, for names and log lines come from devices."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(c) if unicodedata.category(c) in _STRANGE else c for c in text)


def _escaped(character: str) -> str:
    # A tab is harmless and common in log lines.
    return character if character == "\t" else ascii(character)[1:-1]


def seconds(text: str) -> int:
    """Read a span such as ``90``, ``90s``, ``15m``, ``24h``, ``7d``.

    Raises:
        Refused: it is none.

    """
    found = _SPAN.fullmatch(text.strip().lower())
    if found is None:
        raise usage(f"{text!r} is no span of time; write 90s, 15m, 24h or 7d")
    return int(found[1]) * _UNIT_S[found[2] or "s"]


def moment(text: str | None) -> datetime | None:
    """Read a time: a span means so long ago, else ISO 8601; without a zone it is UTC.

    Raises:
        Refused: it is neither.

    """
    if text is None:
        return None
    now = datetime.now(UTC)
    try:
        if _SPAN.fullmatch(text.strip().lower()):
            return now - timedelta(seconds=seconds(text))
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise usage(
            f"{text!r} is no time; write 15m, 24h or 7d for so long ago, or 2026-11-21T10:00:00Z"
        ) from None


def time_text(at: datetime | None) -> str:
    """Write a time for people, to the second."""
    return "" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
