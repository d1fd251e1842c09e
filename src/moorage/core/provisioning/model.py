"""What enrolment is about."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from moorage.core.devices import Device

INSTALL_TOKEN_PREFIX = "inst"  # noqa: S105 - how they begin
DEVICE_KEY_PREFIX = "adk"


@dataclass(frozen=True)
class InstallToken:
    """A single-use token for one device, just made. ``text`` is shown once."""

    text: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True)
class Registered:
    """A device just made, and the token that enrols it."""

    device: Device
    install_token: InstallToken


@dataclass(frozen=True)
class Enrolled:
    """What a device gets to know when it enrols.

    ``device_key`` is set only when the caller proposed none; it is shown once.
    """

    device_id: str
    workspace: str
    device_key: str | None = field(repr=False)
    report_interval_s: int
    config_revision: int


@dataclass(frozen=True)
class Attempt:
    """Something tried with a device's install token.

    ``outcome`` is ``fetched`` (the installer was) or ``refused``; ``reason`` says it in a sentence.
    """

    at: datetime
    address: str | None
    outcome: str
    reason: str


@dataclass(frozen=True)
class OfflinePayload:
    """What a device without a network is given: signed, with a one-time secret in it.

    ``text`` is ``MRG1.`` + base64url of ``document`` as JSON + ``.`` + base64url of the signature.
    """

    text: str = field(repr=False)
    document: Mapping[str, Any] = field(repr=False)
    expires_at: datetime


class Policy(StrEnum):
    """What a provisioning token does about hardware that is known already."""

    REJECT = "reject"
    REPLACE = "replace"
    NEW = "new"


@dataclass(frozen=True)
class ProvisioningToken:
    """A token that devices enrol with, each making its own record.

    Attributes:
        policy: for hardware that is known already: ``reject`` it; ``replace`` the key of the same
            record; ``new``: make another record, the old one loses its id and its keys.
        max_uses: how many devices may enrol, None for any number.
        tags: what each device is given; ``device_type`` likewise, None for the default.
        expires_at: None for never.

    """

    id: str
    workspace_id: str
    live: bool
    name: str
    policy: Policy
    max_uses: int | None
    use_count: int
    tags: tuple[str, ...]
    device_type: str | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True)
class MadeToken:
    """A provisioning token just made. ``text`` is shown once."""

    token: ProvisioningToken
    text: str = field(repr=False)


@dataclass(frozen=True)
class Newcomer:
    """A device that comes with a provisioning token.

    ``external_id`` is its own id for its hardware, kept by it through a reinstall.
    """

    external_id: str
    name: str | None = None
