"""Bounds of virtual devices, as pure functions."""

from collections.abc import Collection
from datetime import timedelta
from typing import Final

from moorage.core.errors import DomainError, Kind, invalid

MOST: Final = 50
TYPE: Final = "virtual"
# The kinds there are; what they do the simulator knows.
PROFILES: Final = ("camera", "meter", "gateway", "flaky", "storm")
# A server that dies leaves its virtual devices alone for so long.
LEASE: Final = timedelta(seconds=30)
# What is asked faster than it is reported: the newest are kept.
MOST_HAPPENINGS: Final = 20
LONGEST_WORD: Final = 128
LONGEST_TEXT: Final = 1024
LARGEST_SEED: Final = 2**53


def check_profile(profile: str) -> str:
    """Return the profile. Raises DomainError ``invalid``."""
    if profile not in PROFILES:
        raise invalid("/profile", f"a profile is one of {', '.join(PROFILES)}")
    return profile


def check_seed(seed: int) -> int:
    """Return the seed. Raises DomainError ``invalid``."""
    if not 0 <= seed <= LARGEST_SEED:
        raise invalid("/seed", "a seed is a whole number from 0 to 2^53")
    return seed


def free_slots(taken: Collection[int], count: int) -> list[int]:
    """Return the lowest free slots.

    Raises:
        DomainError: ``invalid`` for a count that never fits, ``conflict`` for one that does not
            fit now.

    """
    if not 1 <= count <= MOST:
        raise invalid("/count", f"make 1 to {MOST} virtual devices at a time")
    free = [slot for slot in range(1, MOST + 1) if slot not in taken]
    if len(free) < count:
        raise no_room(len(free))
    return free[:count]


def no_room(left: int) -> DomainError:
    """Refuse more virtual devices than a workspace may have."""
    return DomainError(
        Kind.CONFLICT,
        "virtual_devices_full",
        f"a workspace has at most {MOST} virtual devices and there is room for {left}; delete some "
        "first, or use `moorage sim run` for many",
        extra={"limit": MOST},
    )


def check_word(pointer: str, text: str) -> str:
    """Return a name in an event. Raises DomainError ``invalid``."""
    if not 0 < len(text) <= LONGEST_WORD or not text.isprintable():
        raise invalid(pointer, f"1 to {LONGEST_WORD} printable characters")
    return text


def check_text(pointer: str, text: str) -> str:
    """Return a sentence in an event. Raises DomainError ``invalid``."""
    if len(text) > LONGEST_TEXT:
        raise invalid(pointer, f"at most {LONGEST_TEXT} characters")
    return text


def name_of(name: str | None, profile: str, slot: int, *, alone: bool) -> str:
    """Return how a virtual device is called: as asked when it comes alone, else with its slot."""
    if name is not None and alone:
        return name
    return f"{name or f'Virtual {profile}'} {slot}"
