"""Shapes of the native API, named as it spells them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from moorage.core.config import ConfigView
from moorage.core.devices import Approval, Device
from moorage.core.events import Event
from moorage.core.keys import Key, NewKey
from moorage.core.logs import LogLine
from moorage.core.provisioning import Enrolled, InstallToken, ServerAddress, install_line
from moorage.core.telemetry import Bucket, Sample
from moorage.kit.clock import rfc3339
from moorage.kit.text import is_plain_text

T = TypeVar("T")


def _plain(text: str) -> str:
    if not is_plain_text(text):
        raise ValueError("the text holds a NUL or half a character")
    return text


Text = Annotated[str, AfterValidator(_plain)]


def time_text(at: datetime | None) -> str | None:
    """Write a time, or None."""
    return None if at is None else rfc3339(at)


class Body(BaseModel):
    """A body: types as written, unknown fields ignored."""

    model_config = ConfigDict(strict=True, extra="ignore")


class PageOut(BaseModel, Generic[T]):
    """One page of a list; ``next_cursor`` is null on the last."""

    data: list[T]
    next_cursor: str | None


class ProblemOut(BaseModel):
    """An error (RFC 9457). ``code`` is stable; ``errors`` point at parts of a bad body."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[dict[str, str]] | None = None


class PresenceOut(BaseModel):
    """Whether the device is there, and how we know."""

    status: str
    reason: str
    last_contact_at: str | None
    next_expected_at: str | None


class DeviceOut(BaseModel):
    """A device."""

    id: str
    live_mode: bool
    name: str
    type: str
    status: str
    presence: PresenceOut
    external_id: str | None
    reference: str | None
    tags: list[str]
    facts: dict[str, Any]
    created_at: str
    last_seen_at: str | None
    report_interval_s: int
    boot_id: str | None
    uptime_s: int | None
    clock_skew_ms: int | None
    clone_suspected_at: str | None
    approval: str
    released_at: str | None

    @classmethod
    def of(cls, device: Device) -> "DeviceOut":
        """Render."""
        presence = device.presence
        return cls(
            id=device.id,
            live_mode=device.live,
            name=device.name,
            type=device.type,
            status=presence.status,
            presence=PresenceOut(
                status=presence.status,
                reason=presence.reason,
                last_contact_at=time_text(presence.last_contact_at),
                next_expected_at=time_text(presence.next_expected_at),
            ),
            external_id=device.external_id,
            reference=device.reference,
            tags=list(device.tags),
            facts=dict(device.facts),
            created_at=rfc3339(device.created_at),
            last_seen_at=time_text(device.last_seen_at),
            report_interval_s=device.interval_s,
            boot_id=device.boot_id,
            uptime_s=device.uptime_s,
            clock_skew_ms=device.skew_ms,
            clone_suspected_at=time_text(device.clone_suspected_at),
            approval=device.approval,
            released_at=time_text(device.released_at),
        )


class InstallTokenOut(BaseModel):
    """A token for one device, shown once, and the line to paste on it."""

    install_token: str
    expires_at: str
    install_command: str

    @classmethod
    def of(cls, token: InstallToken, server: ServerAddress) -> "InstallTokenOut":
        """Render."""
        return cls(
            install_token=token.text,
            expires_at=rfc3339(token.expires_at),
            install_command=install_line(server, token.text),
        )


class DeviceMadeOut(DeviceOut):
    """A device just made, with its install token and the line to paste, both shown once."""

    install_token: str
    expires_at: str
    install_command: str


class DevicesOut(PageOut[DeviceOut]):
    """A page of devices; ``counts`` by status when asked for."""

    counts: dict[str, int] | None = None


class DeviceIn(Body):
    """A device to make."""

    name: Text
    type: Text | None = None
    tags: list[Text] = Field(default=[], max_length=1000)
    reference: Text | None = None


class DevicePatchIn(Body):
    """What to change of a device; an absent field stays, a null reference is taken away."""

    name: Text = ""
    type: Text = ""
    tags: list[Text] = Field(default=[], max_length=1000)
    reference: Text | None = None
    approval: Annotated[Approval | None, Field(strict=False)] = None


class InstallIn(Body):
    """How long a fresh install token is to live."""

    expires_in_s: int = Field(default=600, ge=60, le=30 * 86_400)


class EnrollDeviceIn(Body):
    """What a device tells of itself when it enrols; the rest comes with its first report."""

    device_id: Text | None = Field(default=None, max_length=128)
    name: Text | None = Field(default=None, max_length=256)
    agent_version: Text | None = Field(default=None, max_length=128)
    hostname: Text | None = Field(default=None, max_length=256)


class EnrollIn(Body):
    """A token to redeem, and the key the device proposes."""

    install_token: Text | None = Field(default=None, max_length=128)
    provisioning_token: Text | None = Field(default=None, max_length=128)
    device_key: Text | None = Field(default=None, max_length=128)
    device: EnrollDeviceIn | None = None


class EnrolledOut(BaseModel):
    """What a device needs to go on. ``device_key`` is there only when none was proposed."""

    device_id: str
    workspace: str
    server: str
    report_interval_s: int
    config_revision: int
    device_key: str | None = None

    @classmethod
    def of(cls, enrolled: Enrolled, public_url: str) -> "EnrolledOut":
        """Render."""
        return cls(
            device_id=enrolled.device_id,
            workspace=enrolled.workspace,
            server=public_url,
            report_interval_s=enrolled.report_interval_s,
            config_revision=enrolled.config_revision,
            device_key=enrolled.device_key,
        )


class LogLineOut(BaseModel):
    """One line."""

    at: str
    received_at: str
    service: str
    severity: str
    message: str

    @classmethod
    def of(cls, line: LogLine) -> "LogLineOut":
        """Render."""
        return cls(
            at=rfc3339(line.at),
            received_at=rfc3339(line.received_at),
            service=line.service,
            severity=line.severity,
            message=line.message,
        )


class EventOut(BaseModel):
    """One event."""

    id: str
    at: str
    received_at: str
    event: str
    entity_type: str
    entity_id: str
    description: str | None
    error_code: str | None
    metadata: dict[str, Any]
    ended_at: str | None

    @classmethod
    def of(cls, event: Event) -> "EventOut":
        """Render."""
        return cls(
            id=event.id,
            at=rfc3339(event.at),
            received_at=rfc3339(event.received_at),
            event=event.event,
            entity_type=event.entity_type,
            entity_id=event.entity_id,
            description=event.description,
            error_code=event.error_code,
            metadata=dict(event.metadata),
            ended_at=time_text(event.ended_at),
        )


class _Measures(BaseModel):
    cpu_percent: float | None
    memory_percent: float | None
    disk_percent: float | None
    gpu_percent: float | None
    temperature_c: float | None
    network_upload_bytes_per_sec: float | None
    network_download_bytes_per_sec: float | None


class SampleOut(_Measures):
    """One sample: percentages, degrees Celsius, bytes per second; null is unknown."""

    at: str
    received_at: str

    @classmethod
    def of(cls, sample: Sample) -> "SampleOut":
        """Render."""
        return cls(
            at=rfc3339(sample.at),
            received_at=rfc3339(sample.received_at),
            **_numbers(sample.values),
        )


class BucketOut(_Measures):
    """Means over one span of time, with peaks of the percentages."""

    bucket_start: str
    samples: int
    cpu_percent_max: float | None
    memory_percent_max: float | None
    disk_percent_max: float | None
    gpu_percent_max: float | None

    @classmethod
    def of(cls, bucket: Bucket) -> "BucketOut":
        """Render."""
        return cls(
            bucket_start=rfc3339(bucket.start), samples=bucket.samples, **_numbers(bucket.values)
        )


def _numbers(values: Mapping[str, float | None]) -> dict[str, Any]:
    return dict(values)


class AppliedOut(BaseModel):
    """What the device last proved of the desired revision."""

    state: str
    revision: int | None
    error: str | None
    reported_at: str | None


class ConfigOut(BaseModel):
    """A device's config. ``own`` is its own layer; ``origins`` say which layer set each value."""

    revision: int
    digest: str
    document: dict[str, Any]
    own: dict[str, Any]
    origins: dict[str, str]
    created_at: str
    created_by: str
    applied: AppliedOut

    @classmethod
    def of(cls, view: ConfigView) -> "ConfigOut":
        """Render."""
        return cls(
            revision=view.revision,
            digest=view.digest,
            document=dict(view.document),
            own=dict(view.own),
            origins=dict(view.origins),
            created_at=rfc3339(view.created_at),
            created_by=view.created_by,
            applied=AppliedOut(
                state=view.applied.state,
                revision=view.applied.revision,
                error=view.applied.error,
                reported_at=time_text(view.applied.reported_at),
            ),
        )


class DeviceConfigOut(BaseModel):
    """The document a device is to apply."""

    device_id: str
    revision: int
    digest: str
    document: dict[str, Any]


class KeyIn(Body):
    """A key to make. ``scopes`` absent or null means all; ``mode`` defaults to the caller's."""

    name: Text = Field(min_length=1, max_length=128)
    scopes: list[Text] | None = Field(default=None, max_length=64)
    mode: Literal["live", "test"] | None = None


class KeyPatchIn(Body):
    """What to change of a key; an absent field stays, null ``scopes`` are all."""

    name: Text = Field(default="", min_length=1, max_length=128)
    scopes: list[Text] | None = Field(default=None, max_length=64)
    disabled: bool = False
    protected: bool = False


class KeyOut(BaseModel):
    """A key, never its text."""

    id: str
    name: str
    mode: str
    prefix: str
    scopes: list[str] | None
    created_at: str
    created_by: str
    revoked_at: str | None
    disabled: bool
    protected: bool

    @classmethod
    def of(cls, key: Key) -> "KeyOut":
        """Render."""
        return cls(**_key_fields(key))


class KeyMadeOut(KeyOut):
    """A key just made, with its text: shown this once."""

    key: str

    @classmethod
    def of_new(cls, made: NewKey) -> "KeyMadeOut":
        """Render."""
        return cls(**_key_fields(made.key), key=made.text)


def _key_fields(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "mode": "live" if key.live else "test",
        "prefix": key.prefix,
        "scopes": None if key.scopes is None else sorted(key.scopes),
        "created_at": rfc3339(key.created_at),
        "created_by": key.created_by,
        "revoked_at": time_text(key.revoked_at),
        "disabled": key.disabled_at is not None,
        "protected": key.protected,
    }
