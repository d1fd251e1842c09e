"""What the server answers, as frozen dataclasses. Names are the API's; times are aware datetimes.

What the server shows once (install tokens, key texts) is a field that no repr repeats.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Presence:
    """Whether a device is there (never_seen, online, late, offline) and how the server knows."""

    status: str
    reason: str
    last_contact_at: datetime | None = None
    next_expected_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Device:
    """A device. ``facts`` are what it last told of itself.

    ``approval`` is pending, approved or rejected: the key of one that is not approved opens
    nothing. ``clone_suspected_at`` is since when there seem to be two of it, ``released_at`` since
    when its hardware may enrol anew into this record.
    """

    id: str
    name: str
    type: str
    status: str
    presence: Presence
    live_mode: bool = True
    external_id: str | None = None
    reference: str | None = None
    tags: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime
    last_seen_at: datetime | None = None
    report_interval_s: int | None = None
    boot_id: str | None = None
    uptime_s: int | None = None
    clock_skew_ms: int | None = None
    clone_suspected_at: datetime | None = None
    approval: str = "approved"
    released_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class DeviceMade(Device):
    """A device just made.

    ``install_token`` and ``install_command`` are None when ``replayed``: the first answer was lost
    on its way, and with it these; ``devices.install(id)`` makes a fresh token.
    """

    install_token: str | None = field(default=None, repr=False)
    install_command: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None
    replayed: bool = False


@dataclass(frozen=True, kw_only=True)
class InstallToken:
    """A token for one device and the line to paste on it; None when ``replayed``."""

    install_token: str | None = field(default=None, repr=False)
    install_command: str | None = field(default=None, repr=False)
    expires_at: datetime
    replayed: bool = False


@dataclass(frozen=True, kw_only=True)
class OfflinePayload:
    """A signed payload for a device without a network: text, QR (SVG), file; None when replayed."""

    payload: str | None = field(default=None, repr=False)
    qr_svg: str | None = field(default=None, repr=False)
    device_json: Mapping[str, Any] | None = field(default=None, repr=False)
    expires_at: datetime
    replayed: bool = False


@dataclass(frozen=True, kw_only=True)
class DeviceKey:
    """A device's new key; ``device_key`` is its text, shown once, None when ``replayed``."""

    id: str
    device_key: str | None = field(default=None, repr=False)
    replayed: bool = False


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """A line of a device's log. ``at`` is the device's time, corrected for its skew."""

    at: datetime
    received_at: datetime
    service: str
    severity: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened."""

    id: str
    at: datetime
    received_at: datetime
    event: str
    entity_type: str
    entity_id: str
    description: str | None = None
    error_code: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    ended_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Measures:
    """Percentages, degrees Celsius, bytes per second; None is unknown."""

    cpu_percent: float | None = None
    memory_percent: float | None = None
    disk_percent: float | None = None
    gpu_percent: float | None = None
    temperature_c: float | None = None
    network_upload_bytes_per_sec: float | None = None
    network_download_bytes_per_sec: float | None = None


@dataclass(frozen=True, kw_only=True)
class Sample(Measures):
    """One sample of telemetry."""

    at: datetime
    received_at: datetime


@dataclass(frozen=True, kw_only=True)
class Bucket(Measures):
    """Means over one span of time, with peaks of the percentages."""

    bucket_start: datetime
    samples: int
    cpu_percent_max: float | None = None
    memory_percent_max: float | None = None
    disk_percent_max: float | None = None
    gpu_percent_max: float | None = None


@dataclass(frozen=True, kw_only=True)
class Applied:
    """What the device last proved: unknown, pending, applied, failed or drifted."""

    state: str
    revision: int | None = None
    error: str | None = None
    reported_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Config:
    """A device's config.

    ``document`` is what the device is to run, ``own`` the device's own layer of it, ``origins`` the
    layer that set each value, ``digest`` what ``if_match`` takes. No repr shows the documents: they
    may hold secrets.
    """

    revision: int
    digest: str
    document: Mapping[str, Any] = field(repr=False)
    own: Mapping[str, Any] = field(repr=False)
    origins: Mapping[str, str] = field(default_factory=dict, repr=False)
    created_at: datetime
    created_by: str
    applied: Applied


@dataclass(frozen=True, kw_only=True)
class RevisionEntry:
    """A revision in a list. ``changed`` are pointers of what differs from the one before."""

    revision: int
    digest: str
    created_at: datetime
    created_by: str
    changed: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Revision(RevisionEntry):
    """A revision with its document and the device's own layer of it."""

    document: Mapping[str, Any] = field(repr=False)
    own: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class DefaultConfig:
    """What devices of the workspace begin with; ``patch`` is the workspace's part of it."""

    document: Mapping[str, Any] = field(repr=False)
    patch: Mapping[str, Any] = field(repr=False)
    digest: str


@dataclass(frozen=True, kw_only=True)
class Stream:
    """A stream, configured or reported; ``source`` comes without credentials."""

    id: str
    name: str | None = None
    status: str | None = None
    pipeline_id: str | None = None
    workflow_id: str | None = None
    source: Any = None
    started_at: datetime | None = None
    last_event_at: datetime | None = None
    camera_fps: float | None = None
    inference_fps: float | None = None
    sharpness: float | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service as the device last reported it."""

    name: str
    state: str | None = None
    image: str | None = None
    restarts: int | None = None
    cpu_percent: float | None = None
    memory_mb: float | None = None
    error: str | None = None
    reported_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command: queued, delivered, then succeeded, failed, expired or cancelled."""

    id: str
    kind: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    state: str
    created_at: datetime
    created_by: str | None = None
    expires_at: datetime | None = None
    delivered_at: datetime | None = None
    finished_at: datetime | None = None
    result: Any = None
    error: str | None = None

    @property
    def finished(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state not in ("queued", "delivered")


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What was tried with a device's install token in the last 24 hours.

    ``outcome`` is ``fetched`` (the installer was) or ``refused``; ``reason`` says it in a sentence.
    """

    at: datetime
    address: str | None = None
    outcome: str = "refused"
    reason: str


@dataclass(frozen=True, kw_only=True)
class Point:
    """A place in an epoch."""

    epoch: str
    sequence: int


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """The chain of an epoch as it stood at a time, kept longer than the reports' rows."""

    sequence: int
    chain: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One ordered stream of reports, up to ``sequence``, whose chain is then ``chain``."""

    epoch: str
    store: str | None = None
    backfill: bool = False
    sequence: int
    chain: str | None = None
    began_at: datetime
    last_at: datetime
    continues: Point | None = None
    checkpoints: tuple[Checkpoint, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ReportRecord:
    """One received report: the digest of its body and the chain after it (hex)."""

    epoch: str
    sequence: int
    digest: str
    chain: str | None = None
    received_at: datetime


@dataclass(frozen=True, kw_only=True)
class VirtualDevice:
    """A device that the server plays; the device of the same id has the rest."""

    id: str
    name: str
    profile: str
    seed: int
    slot: int
    online: bool
    faulty: bool
    status: str
    live_mode: bool = True
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class VirtualDevicesMade:
    """Virtual devices just made."""

    data: tuple[VirtualDevice, ...]
