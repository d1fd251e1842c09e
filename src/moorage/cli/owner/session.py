"""A client for the chosen profile, and devices found by what people call them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from moorage import sdk
from moorage.cli.owner import profiles
from moorage.cli.owner.outcomes import Exit, Refused, usage

_DEVICE_ID = re.compile(r"dev_[0-9a-f]{24}")
_MOST_CANDIDATES = 20
_LONGEST_SEARCH = 256


@contextmanager
def connected(profile: str | None) -> Iterator[sdk.Moorage]:
    """Return a client for a profile.

    Raises:
        Refused: there is no such profile, or what it holds cannot be right.

    """
    _, found = profiles.chosen(profile)
    with client_of(found) as client:
        yield client


def client_of(profile: profiles.Profile) -> sdk.Moorage:
    """Make a client.

    Raises:
        Refused: the address, the key or the certificates cannot be right.

    """
    try:
        return sdk.Moorage(profile.url, profile.key, ca_file=profile.ca_file)
    except ValueError as error:
        raise usage(str(error)) from None


def async_client(profile: str | None) -> sdk.AsyncMoorage:
    """Make a client for asyncio of a profile.

    Raises:
        Refused: there is no such profile, or what it holds cannot be right.

    """
    _, found = profiles.chosen(profile)
    try:
        return sdk.AsyncMoorage(found.url, found.key, ca_file=found.ca_file)
    except ValueError as error:
        raise usage(str(error)) from None


def is_device_id(text: str) -> bool:
    """Whether the text has the form of a device's id."""
    return _DEVICE_ID.fullmatch(text) is not None


def device_id(client: sdk.Moorage, named: str) -> str:
    """Return the id of the device with this id, reference or unique name.

    What looks like an id is taken as one without asking, so a key needs no right to list for it.

    Raises:
        Refused: there is none (3), or the name stands for several (2).

    """
    if is_device_id(named):
        return named
    return find(client, named).id


def find(client: sdk.Moorage, named: str) -> sdk.Device:
    """Return the device with this id, reference or unique name.

    Raises:
        Refused: there is none (3), or the name stands for several (2).

    """
    if is_device_id(named):
        return client.devices.get(named)
    if not named.strip():
        raise usage("name a device: its id, its reference, or a name only it has")
    if len(named) > _LONGEST_SEARCH:
        raise _absent(named[:40] + "…")
    matching = [
        device
        for device in client.devices.iterate(q=named, sort="name")
        if named in (device.name, device.reference, device.id)
    ]
    if not matching:
        raise _absent(named)
    if len(matching) > 1:
        raise usage(_ambiguous(named, matching))
    return matching[0]


def _absent(named: str) -> Refused:
    return Refused(
        f"there is no device with the id, name or reference {named!r}; "
        "`moorage device list -q PART` looks for a part of it",
        Exit.NOT_FOUND,
    )


def _ambiguous(named: str, matching: list[sdk.Device]) -> str:
    shown = ", ".join(
        f"{one.id} ({one.name}{f', reference {one.reference}' if one.reference else ''})"
        for one in matching[:_MOST_CANDIDATES]
    )
    more = len(matching) - _MOST_CANDIDATES
    return f"{named!r} stands for {len(matching)} devices, use the id of one: {shown}" + (
        f" and {more} more" if more > 0 else ""
    )
