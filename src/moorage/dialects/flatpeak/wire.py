"""What is read from requests and written into answers, in that API's words."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from moorage.core.devices import Device
from moorage.core.errors import DomainError, Kind, invalid
from moorage.dialects.common import parse_json
from moorage.dialects.flatpeak import shapes
from moorage.kit.pages import Page
from moorage.kit.text import is_plain_text

VERSION: Final = "2025-09-14.anode"
VERSION_HEADER: Final = "flatpeak-version"
MOST: Final = 100
USUAL: Final = 30
_NUMBER = re.compile(r"[0-9]{1,3}")


def time_of(at: datetime) -> str:
    """Write a time: whole seconds, UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def device(found: Device) -> shapes.Device:
    """A device; its id stands in for a reference it does not have."""
    shown: shapes.Device = {
        "id": found.id,
        "object": "device",
        "live_mode": found.live,
        "reference_id": found.reference or found.id,
        "time_created": time_of(found.created_at),
        "account_id": found.workspace_id,
    }
    if found.last_seen_at is not None:
        shown["last_seen"] = time_of(found.last_seen_at)
    return shown


def devices(page: Page[Device]) -> shapes.Devices:
    """A page of devices."""
    return {
        "object": "list",
        "url": "/devices",
        "has_more": page.next_cursor is not None,
        "data": [device(found) for found in page.items],
    }


def check_version(told: str | None) -> None:
    """Raise DomainError ``invalid`` for a version that is not served."""
    if told is not None and told.strip() != VERSION:
        raise DomainError(
            Kind.INVALID,
            "api_version_not_supported",
            f"this server speaks version {VERSION}; send that as Flatpeak-Version, or leave it out",
        )


def reference_of(body: bytes, *, required: bool = False) -> str | None:
    """Read a body's ``reference_id``; null is none, and so is its absence unless ``required``.

    Raises:
        DomainError: ``invalid``.

    """
    told: Any = parse_json(body) if body else None
    if told is None:
        told = {}
    if not isinstance(told, dict):
        raise invalid("", "the body must be a JSON object")
    if required and "reference_id" not in told:
        raise invalid("/reference_id", "it is required: a text, or null to take the reference away")
    reference = told.get("reference_id")
    if reference is not None and not isinstance(reference, str):
        raise invalid("/reference_id", "it must be a text, or null for none")
    return reference


@dataclass(frozen=True)
class Part:
    """Which part of a list is asked for; of both cursors one at most is set."""

    limit: int
    after: str | None
    before: str | None
    known_as: str | None


def part_of(
    reference_id: str | None,
    limit: str | None,
    starting_after: str | None,
    ending_before: str | None,
) -> Part:
    """Read the query of a list. Raises DomainError ``invalid``."""
    if reference_id is not None and not is_plain_text(reference_id):
        raise invalid("/reference_id", "it holds a NUL; leave that out")
    if starting_after is not None and ending_before is not None:
        raise invalid("/ending_before", "it cannot be sent together with starting_after")
    if limit is None:
        return Part(USUAL, starting_after, ending_before, reference_id)
    if not _NUMBER.fullmatch(limit) or not 1 <= int(limit) <= MOST:
        raise invalid("/limit", f"it must be an integer from 1 to {MOST}")
    return Part(int(limit), starting_after, ending_before, reference_id)
