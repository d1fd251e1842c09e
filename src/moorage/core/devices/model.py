"""What a device is, and what is known of its presence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from moorage.core.caller import DeviceRef
from moorage.kit.spans import spelled
from moorage.kit.unset import UNSET, Unset


class Status(StrEnum):
    """Presence in a word; a retired device is not found at all."""

    NEVER_SEEN = "never_seen"
    ONLINE = "online"
    LATE = "late"
    OFFLINE = "offline"


class Approval(StrEnum):
    """Whether the owner lets the device speak; the keys of one that is not approved open nothing.

    A device that was made here, or came with a token, is approved from the start.
    """

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Presence:
    """Whether the device is there, and how we know.

    Attributes:
        asked_at: the moment this was judged for.
        interval_s: how often the device is to report.
        last_contact_at: the last heartbeat, None for a device never heard of.
        silent_for: time since then, the server's own absences left out.

    """

    status: Status
    asked_at: datetime
    interval_s: int
    last_contact_at: datetime | None = None
    silent_for: timedelta | None = None

    @property
    def next_expected_at(self) -> datetime | None:
        """When the next heartbeat is due, the server's own absences left out."""
        if self.last_contact_at is None:
            return None
        return self.last_contact_at + timedelta(seconds=self.interval_s) + self._away

    @property
    def reason(self) -> str:
        """Why, in a sentence for people."""
        if self.last_contact_at is None or self.next_expected_at is None:
            return "it has never reported"
        told = f"reported {spelled(self.asked_at - self.last_contact_at)} ago"
        if self.status is Status.OFFLINE:
            told += f"; it is to report every {spelled(timedelta(seconds=self.interval_s))}"
        elif self.status is Status.LATE:
            told += f"; expected {spelled(self.asked_at - self.next_expected_at)} ago"
        if self._away > timedelta(seconds=1):
            told += f"; the server itself was away or returning for {spelled(self._away)} of that"
        return told

    @property
    def _away(self) -> timedelta:
        if self.last_contact_at is None or self.silent_for is None:
            return timedelta()
        return self.asked_at - self.last_contact_at - self.silent_for


@dataclass(frozen=True)
class Device:
    """A device's record.

    Attributes:
        id: ``dev_`` + 24 hex, the device in every API.
        live: False for a device of the test mode.
        type: what it was created as; what it reports of itself is in ``facts["device_type"]``.
        external_id: the id it brought along itself (a Docker daemon's, say), unique per mode.
        reference: the owner's own id for it, unique per mode.
        facts: what the device last told of itself; the names follow Python's ``platform``.
        interval_s: how often it is to report, as the server assigned it.
        last_seen_at: last contact by any route; ``presence.last_contact_at`` is a heartbeat.
        skew_ms: how far the device's clock was ahead of ours at its last report, or None.
        clone_suspected_at: since when two copies seem to speak under one key, or None.
        released_at: since when its hardware may enrol anew into this record, or None.

    """

    id: str
    workspace_id: str
    live: bool
    name: str
    type: str
    external_id: str | None
    reference: str | None
    tags: tuple[str, ...]
    facts: Mapping[str, Any]
    created_at: datetime
    interval_s: int
    last_seen_at: datetime | None
    boot_id: str | None
    uptime_s: int | None
    skew_ms: int | None
    clone_suspected_at: datetime | None
    approval: Approval
    released_at: datetime | None
    presence: Presence

    @property
    def ref(self) -> DeviceRef:
        """The proof that this device was looked up for its caller."""
        return DeviceRef(self.id, self.workspace_id, self.live)


@dataclass(frozen=True)
class Changes:
    """What to change of a record; UNSET leaves a part as it is."""

    name: str | Unset = UNSET
    type: str | Unset = UNSET
    reference: str | Unset | None = UNSET
    tags: list[str] | Unset = UNSET


class Sort(StrEnum):
    """Orders of the list; a dash means descending."""

    NAME = "name"
    NAME_DOWN = "-name"
    CREATED_AT = "created_at"
    CREATED_AT_DOWN = "-created_at"
    LAST_HEARTBEAT = "last_heartbeat"
    LAST_HEARTBEAT_DOWN = "-last_heartbeat"


@dataclass(frozen=True)
class Vocabulary:
    """Types and tags in use, each with how many devices have it, the most used first."""

    types: Sequence[tuple[str, int]]
    tags: Sequence[tuple[str, int]]


@dataclass(frozen=True)
class Amiss:
    """A device that may need somebody, as far as its record and its presence tell."""

    id: str
    name: str
    status: Status
    clone_suspected: bool
    approval: Approval
    created_at: datetime


@dataclass(frozen=True)
class Filter:
    """Which devices to list; each part narrows further.

    ``text`` is looked for in name, id, hostname, external id and reference, whatever the case.
    """

    statuses: frozenset[Status] = frozenset()
    type: str | None = None
    tags: tuple[str, ...] = field(default=())
    text: str | None = None
    approval: Approval | None = None


class HeartbeatRow(NamedTuple):
    """A heartbeat as the store takes it, ``at`` in milliseconds. None leaves what is known."""

    device_id: str
    at: int
    boot_id: str | None = None
    uptime_s: int | None = None
    skew_ms: int | None = None
