"""Presence and names, as pure functions."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from moorage.core.devices.model import Device, Presence, Status
from moorage.core.errors import invalid
from moorage.storage.alive import Absence

DEFAULT_INTERVAL_S = 30
DEFAULT_TYPE = "edge"

_LONGEST_NAME = 256
_LONGEST_TYPE = 64
_LONGEST_REFERENCE = 256
_LONGEST_TAG = 128
_MOST_TAGS = 64
_ID = re.compile(r"dev_[0-9a-f]{24}")

# Silence is judged against the interval we assigned, with a grace for jitter and one lost report.
GRACE_SHARE = 0.5
GRACE_LEAST_S = 15
OFFLINE_INTERVALS = 3
OFFLINE_LEAST_S = 90


def late_after_s(interval_s: int) -> float:
    """Seconds of silence until a device is late: the interval and half of it, at least 15 s."""
    return interval_s + max(interval_s * GRACE_SHARE, GRACE_LEAST_S)


def offline_after_s(interval_s: int) -> float:
    """Seconds of silence until it is offline: three intervals, at least 90 s."""
    return max(interval_s * OFFLINE_INTERVALS, OFFLINE_LEAST_S)


def silence(last: datetime, now: datetime, absences: Sequence[Absence]) -> timedelta:
    """How long a device was silent while a server was there to hear it.

    ``absences`` are disjoint and ascending.
    """
    whole = now - last
    for absence in absences:
        if absence.ended_at > last:
            whole -= max(min(absence.ended_at, now) - max(absence.began_at, last), timedelta())
    return whole


def presence_at(
    now: datetime, last_heartbeat: datetime | None, interval_s: int, absences: Sequence[Absence]
) -> Presence:
    """Say whether a device is there, and why we think so."""
    if last_heartbeat is None:
        return Presence(Status.NEVER_SEEN, now, interval_s)
    silent = silence(last_heartbeat, now, absences)
    seconds = silent.total_seconds()
    if seconds > offline_after_s(interval_s):
        status = Status.OFFLINE
    elif seconds > late_after_s(interval_s):
        status = Status.LATE
    else:
        status = Status.ONLINE
    return Presence(status, now, interval_s, last_heartbeat, silent)


def with_interval(device: Device, interval_s: int) -> Device:
    """Return a device never heard of as one that is to report so often."""
    presence = replace(device.presence, interval_s=interval_s)
    return replace(device, interval_s=interval_s, presence=presence)


def check_name(name: str) -> str:
    """Return the name trimmed. Raises DomainError ``invalid``."""
    trimmed = name.strip()
    if not trimmed or len(trimmed) > _LONGEST_NAME:
        raise invalid("/name", f"a device's name is 1 to {_LONGEST_NAME} characters")
    _check_printable("/name", trimmed)
    return trimmed


def check_type(kind: str) -> str:
    """Return the type trimmed. Raises DomainError ``invalid``."""
    trimmed = kind.strip()
    if not trimmed or len(trimmed) > _LONGEST_TYPE:
        raise invalid("/type", f"a device's type is 1 to {_LONGEST_TYPE} characters")
    _check_printable("/type", trimmed)
    return trimmed


def is_id(text: str) -> bool:
    """Whether the text has the form of a device's id."""
    return _ID.fullmatch(text) is not None


def check_reference(reference: str | None, device_id: str) -> str | None:
    """Return the reference; the device's own id means none. Raises DomainError ``invalid``.

    No reference looks like an id, so that both can be shown in one place and be told apart.
    """
    if reference is None or reference == device_id:
        return None
    if is_id(reference):
        raise invalid(
            "/reference", "a reference cannot have the form of a device's id; choose another"
        )
    if not reference or len(reference) > _LONGEST_REFERENCE:
        raise invalid(
            "/reference",
            f"a reference is 1 to {_LONGEST_REFERENCE} characters; null for none",
        )
    _check_printable("/reference", reference)
    return reference


def check_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """Return the tags trimmed, without repeats, in the order given. Raises DomainError."""
    trimmed = [tag.strip() for tag in tags]
    for at, tag in enumerate(trimmed):
        if not tag or len(tag) > _LONGEST_TAG:
            raise invalid(f"/tags/{at}", f"a tag is 1 to {_LONGEST_TAG} characters")
        _check_printable(f"/tags/{at}", tag)
    unique = tuple(dict.fromkeys(trimmed))
    if len(unique) > _MOST_TAGS:
        raise invalid("/tags", f"a device has at most {_MOST_TAGS} tags")
    return unique


def _check_printable(pointer: str, text: str) -> None:
    # Control characters and lone surrogates have no place in a name that people and shells see.
    if not text.isprintable():
        raise invalid(pointer, "only printable characters are allowed here")
