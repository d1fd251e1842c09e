"""A report as it comes in, whatever dialect brought it, and what its sender is answered."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct

from moorage.core.caller import DeviceRef

MOST_ROWS = 1_000

# Python's ``$`` would let a line's end through.
_Uuid: TypeAlias = Annotated[
    str, Meta(pattern="^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?!\\n)$")
]
_Hash: TypeAlias = Annotated[str, Meta(pattern="^[0-9a-f]{64}(?!\\n)$")]
_Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=128)]
_Text: TypeAlias = Annotated[str, Meta(max_length=1024)]
_Long: TypeAlias = Annotated[str, Meta(max_length=65_536)]
_Count: TypeAlias = Annotated[int, Meta(ge=0, le=2**53)]
_Number: TypeAlias = Annotated[float, Meta(ge=-1e15, le=1e15)]
# Shown as it was told: a whole number stays one.
_Size: TypeAlias = Annotated[int, Meta(ge=-(2**53), le=2**53)] | _Number
_Time: TypeAlias = Annotated[datetime, Meta(tz=True)]


class Hardware(Struct, omit_defaults=True):
    """What the machine is made of; disk and memory in the unit the device reports."""

    processor: _Text | None = None
    gpu: _Text | None = None
    total_memory_mb: _Size | None = None
    total_disk_space_mb: _Size | None = None


class Facts(Struct, omit_defaults=True):
    """What a device tells of itself; the names follow Python's ``platform``."""

    agent_version: _Text | None = None
    hostname: _Text | None = None
    platform: _Text | None = None
    platform_release: _Text | None = None
    platform_version: _Text | None = None
    architecture: _Text | None = None
    device_type: _Text | None = None
    hardware: Hardware | None = None
    ip_address: _Text | None = None
    mac_address: _Text | None = None
    timezone: _Text | None = None


class Sample(Struct):
    """One telemetry sample: percentages, degrees Celsius, bytes per second."""

    at: _Time
    cpu_percent: _Number | None = None
    memory_percent: _Number | None = None
    disk_percent: _Number | None = None
    gpu_percent: _Number | None = None
    temperature_c: _Number | None = None
    network_upload_bytes_per_sec: _Number | None = None
    network_download_bytes_per_sec: _Number | None = None


class StreamState(Struct):
    """What a stream does right now."""

    id: _Name
    status: _Name | None = None
    pipeline_id: _Text | None = None
    started_at: _Time | None = None
    camera_fps: _Number | None = None
    inference_fps: _Number | None = None
    sharpness: _Number | None = None
    error: _Long | None = None


class ServiceState(Struct):
    """What a service does right now."""

    name: _Name
    state: _Name | None = None
    image: _Text | None = None
    restarts: _Count | None = None
    cpu_percent: _Number | None = None
    memory_mb: _Number | None = None
    error: _Long | None = None


class LogLine(Struct):
    """One line."""

    at: _Time
    service: _Name
    severity: Literal["debug", "info", "warning", "error", "critical"]
    message: str


class Event(Struct):
    """One event."""

    id: _Name
    at: _Time
    event: _Name
    entity_type: _Name = "device"
    entity_id: _Name | None = None
    description: _Long | None = None
    error_code: _Name | None = None
    metadata: dict[str, Any] = {}
    ended_at: _Time | None = None


class ConfigState(Struct):
    """Which config the device runs."""

    revision: _Count
    state: Literal["pending", "applied", "failed"]
    digest: _Name | None = None
    error: _Long | None = None


class CommandResult(Struct):
    """What came of a command."""

    id: _Name
    state: Literal["succeeded", "failed"]
    result: dict[str, Any] = {}
    error: _Long | None = None


class Continues(Struct):
    """Where in another epoch this one goes on from."""

    epoch: _Name
    sequence: _Count


class Report(Struct):
    """The one message a device sends. An absent part means unchanged, not empty."""

    epoch: _Name
    sequence: Annotated[int, Meta(ge=1, le=2**53)]
    sent_at: _Time
    id: _Uuid | None = None
    store: _Name | None = None
    previous: _Hash | None = None
    continues: Continues | None = None
    backfill: bool = False
    boot_id: _Name | None = None
    uptime_s: Annotated[float, Meta(ge=0, le=1e12)] | None = None
    facts: Facts | None = None
    telemetry: list[Sample] = []
    streams: list[StreamState] | None = None
    services: list[ServiceState] | None = None
    logs: list[LogLine] = []
    events: list[Event] = []
    config: ConfigState | None = None
    commands: list[CommandResult] = []
    dropped: dict[str, _Count] = {}


class Incoming(Struct):
    """A report on its way in.

    ``digest`` is hex SHA-256 of the decompressed body, ``size_bytes`` that body's length,
    ``skew_ms`` how far the device's clock is ahead of ours (None: not told). ``key_digest``
    recognises a retired device's key.
    """

    device: DeviceRef
    key_id: str
    key_digest: str
    report: Report
    digest: str
    size_bytes: int
    skew_ms: int | None = None


class CommandOut(Struct, frozen=True):
    """A command the device is to run; it comes again until its result is in."""

    id: str
    kind: str
    arguments: Mapping[str, Any]
    expires_at: datetime


class Received(Struct, frozen=True):
    """The acknowledgement: all of it is durable. ``notes`` say what was kept out, and why."""

    sequence: int
    chain: str
    report_interval_s: int
    config_revision: int
    commands: list[CommandOut] = []
    notes: list[str] = []
