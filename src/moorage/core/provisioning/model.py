"""What enrolment is about."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from moorage.core.devices import Device


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
