"""Shapes of the Deployment Manager API as its document has them."""

from typing import Any

from typing_extensions import TypedDict


class Hardware(TypedDict):
    """``total_disk_space_mb`` is passed through as reported; real devices report bytes there."""

    processor: str | None
    gpu: Any
    total_memory_mb: float | None
    total_disk_space_mb: float | None


class Device(TypedDict):
    """A device; what it has not told yet is null. ``status``: online, offline or unknown."""

    id: str
    name: str
    status: str
    last_heartbeat: str | None
    platform: str | None
    platform_release: str | None
    platform_version: str | None
    architecture: str | None
    hostname: str | None
    rfdm_version: str | None
    type: str
    hardware: Hardware
    tags: list[str]
    created_at: str | None


class Devices(TypedDict):
    """Every device."""

    data: list[Device]


class DeviceMade(TypedDict, total=False):
    """A device just made; the QR payload for one made for offline use."""

    deviceId: str
    installId: str
    offlineProvisioningQrPayload: str


class DefaultConfig(TypedDict):
    """The base default with the workspace's patch merged in, and the patch."""

    config: dict[str, Any]
    patch: dict[str, Any]


class Config(TypedDict):
    """The whole document with what frames it."""

    device_id: str
    device_name: str
    workspace_id: str
    version: str
    last_updated: str | None
    last_updated_at: str | None
    created_at: str | None
    config: dict[str, Any]
    services: dict[str, Any]
    streams: dict[str, Any]


class Revision(TypedDict):
    """One entry of the history; ``changed`` are pointers of what differs from the one before."""

    revision_id: str
    created_at: str | None
    created_by: str
    version: str
    changed: list[str]


class Pagination(TypedDict):
    """What frames a page."""

    next_cursor: str | None
    has_more: bool
    limit: int


class Revisions(TypedDict):
    """A page of the history, newest first."""

    data: list[Revision]
    pagination: Pagination


class Stream(TypedDict):
    """A stream; every field may be null. ``source`` comes without credentials."""

    id: str
    name: str | None
    status: str | None
    pipeline_id: str | None
    workflow_id: str | None
    source: Any
    started_at: str | None
    last_event_at: str | None
    camera_fps: float | None
    inference_fps: float | None
    sharpness: float | None
    error: str | None


class Streams(TypedDict):
    """All streams of a device."""

    data: list[Stream]


class LogLine(TypedDict):
    """One line."""

    timestamp: str | None
    service: str
    severity: str
    message: str


class LogLines(TypedDict):
    """A page of lines, newest first."""

    data: list[LogLine]
    pagination: Pagination


class Bucket(TypedDict):
    """Means of one bucket, peaks beside the percentages; null where nothing was measured."""

    bucket_start: str | None
    samples: int
    cpu_percent: float | None
    cpu_percent_max: float | None
    memory_percent: float | None
    memory_percent_max: float | None
    disk_percent: float | None
    disk_percent_max: float | None
    gpu_percent: float | None
    gpu_percent_max: float | None
    temperature_c: float | None
    network_upload_bytes_per_sec: float | None
    network_download_bytes_per_sec: float | None


class FpsBucket(TypedDict):
    """Mean rates of one bucket."""

    bucket_start: str | None
    camera_fps: float | None
    inference_fps: float | None
    sharpness: float | None


class StreamFps(TypedDict):
    """Rates of one stream."""

    stream_id: str
    stream_name: str | None
    pipeline_id: str | None
    buckets: list[FpsBucket]


class Telemetry(TypedDict):
    """Means over buckets of a period, oldest first."""

    time_period: str
    bucket_interval: str
    buckets: list[Bucket]
    stream_fps: list[StreamFps]


class Event(TypedDict):
    """One event; its three times are UTC without a zone."""

    id: str
    event: str
    entity_type: str
    entity_id: str
    event_description: str | None
    error_code: str | None
    metadata: dict[str, Any]
    device_timestamp: str | None
    server_timestamp: str | None
    event_end_timestamp: str | None


class TwoWayPagination(Pagination):
    """What frames a page that can be left in both directions."""

    prev_cursor: str | None


class Events(TypedDict):
    """A page of events, newest first."""

    data: list[Event]
    pagination: TwoWayPagination


class Key(TypedDict):
    """A key, never its text."""

    keyId: str
    name: str
    prefix: str
    scopes: list[str] | None
    folderIds: None
    default: bool
    protected: bool
    disabled: bool
    created_on: str | None
    created_by: str
    rotationDueAt: None
    customMetadata: dict[str, Any]


class OneKey(TypedDict):
    """One key."""

    apiKey: Key


class Keys(TypedDict):
    """All keys."""

    apiKeys: list[Key]
    publishableKey: str


class Publishable(TypedDict):
    """The text that names the workspace to browsers."""

    publishableKey: str


class KeyMade(TypedDict):
    """A key just made: its text is here and nowhere else."""

    keyId: str
    key: str
    name: str
    scopes: list[str] | None
    folderIds: None
    protected: bool
    publishableKey: str


class KeyRolled(KeyMade):
    """A key that took another's place."""

    disabled: bool
    revokedKeyId: str


class KeyRevoked(TypedDict):
    """A key that is over."""

    status: str
    keyId: str


class Welcome(TypedDict):
    """Which workspace a key belongs to."""

    workspace: str
    welcome: str


class WorkspaceShape(TypedDict):
    """A workspace as far as a client needs it."""

    name: str
    url: str
    projects: list[Any]
    members: int


class OneWorkspace(TypedDict):
    """One workspace."""

    workspace: WorkspaceShape


class Taken(TypedDict):
    """A heartbeat was taken."""

    status: str


class KeyRefusal(TypedDict):
    """What is wrong with the key; ``hint`` names the next step."""

    message: str
    status: int
    type: str
    hint: str


class Refusal(TypedDict):
    """A refusal: a text, or of the key."""

    error: str | KeyRefusal
