"""Shapes of what a device runs and is asked to do."""

from typing import Any

from pydantic import BaseModel, Field

from moorage.core.commands import PLAN, Command
from moorage.core.config import DefaultConfig, Revision, RevisionEntry
from moorage.core.services import Service
from moorage.core.streams import Stream
from moorage.dialects.native.wire import Body, Text, time_text
from moorage.kit.clock import rfc3339


class CommandIn(Body):
    """A command to send. ``arguments`` depend on the kind (``service``, ``stream_id``)."""

    kind: Text = Field(min_length=1, max_length=64)
    arguments: dict[str, Any] = Field(default={})
    expires_in_s: int = Field(default=3600, ge=5, le=30 * 86_400)


class CommandOut(BaseModel):
    """A command and what came of it. The document of a ``plan`` is not shown: it holds secrets."""

    id: str
    kind: str
    arguments: dict[str, Any]
    state: str
    created_at: str
    created_by: str
    expires_at: str
    delivered_at: str | None
    finished_at: str | None
    result: dict[str, Any] | None
    error: str | None

    @classmethod
    def of(cls, command: Command) -> "CommandOut":
        """Render."""
        return cls(
            id=command.id,
            kind=command.kind,
            arguments={} if command.kind == PLAN else dict(command.arguments),
            state=command.state,
            created_at=rfc3339(command.created_at),
            created_by=command.created_by,
            expires_at=rfc3339(command.expires_at),
            delivered_at=time_text(command.delivered_at),
            finished_at=time_text(command.finished_at),
            result=None if command.result is None else dict(command.result),
            error=command.error,
        )


class WaitingCommand(BaseModel):
    """A command as a device gets it."""

    id: str
    kind: str
    arguments: dict[str, Any]
    expires_at: str


class WaitingOut(BaseModel):
    """What a device is to do, and which config it is to run."""

    config_revision: int
    commands: list[WaitingCommand]

    @classmethod
    def of(cls, revision: int, commands: list[Command]) -> "WaitingOut":
        """Render."""
        waiting = [
            WaitingCommand(
                id=command.id,
                kind=command.kind,
                arguments=dict(command.arguments),
                expires_at=rfc3339(command.expires_at),
            )
            for command in commands
        ]
        return cls(config_revision=revision, commands=waiting)


class StreamOut(BaseModel):
    """A stream; ``source`` without credentials."""

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

    @classmethod
    def of(cls, stream: Stream) -> "StreamOut":
        """Render."""
        return cls(
            id=stream.id,
            name=stream.name,
            status=stream.status,
            pipeline_id=stream.pipeline_id,
            workflow_id=stream.workflow_id,
            source=stream.source,
            started_at=time_text(stream.started_at),
            last_event_at=time_text(stream.last_event_at),
            camera_fps=stream.camera_fps,
            inference_fps=stream.inference_fps,
            sharpness=stream.sharpness,
            error=stream.error,
        )


class ServiceOut(BaseModel):
    """A service as the device last reported it."""

    name: str
    state: str | None
    image: str | None
    restarts: int | None
    cpu_percent: float | None
    memory_mb: float | None
    error: str | None
    reported_at: str | None

    @classmethod
    def of(cls, service: Service) -> "ServiceOut":
        """Render."""
        return cls(
            name=service.name,
            state=service.state,
            image=service.image,
            restarts=service.restarts,
            cpu_percent=service.cpu_percent,
            memory_mb=service.memory_mb,
            error=service.error,
            reported_at=time_text(service.reported_at),
        )


class ListOut(BaseModel):
    """A list that comes whole."""

    data: list[Any]


class StreamsOut(ListOut):
    """All streams of a device."""

    data: list[StreamOut]


class ServicesOut(ListOut):
    """All services of a device."""

    data: list[ServiceOut]


class RevisionEntryOut(BaseModel):
    """A revision in a list; ``changed`` are pointers of what differs from the one before."""

    revision: int
    digest: str
    created_at: str
    created_by: str
    changed: list[str]

    @classmethod
    def of(cls, entry: RevisionEntry) -> "RevisionEntryOut":
        """Render."""
        return cls(
            revision=entry.revision,
            digest=entry.digest,
            created_at=rfc3339(entry.created_at),
            created_by=entry.created_by,
            changed=list(entry.changed),
        )


class RevisionOut(RevisionEntryOut):
    """A revision with its document."""

    document: dict[str, Any]
    own: dict[str, Any]

    @classmethod
    def of_revision(cls, found: Revision) -> "RevisionOut":
        """Render."""
        return cls(
            revision=found.revision,
            digest=found.digest,
            created_at=rfc3339(found.created_at),
            created_by=found.created_by,
            changed=list(found.changed),
            document=dict(found.document),
            own=dict(found.own),
        )


class RollbackIn(Body):
    """Which revision to go back to; it becomes a new one."""

    revision: int = Field(ge=1, le=2**31 - 1)


class DefaultConfigIn(Body):
    """The workspace's patch over the base default."""

    patch: dict[str, Any]


class DefaultConfigOut(BaseModel):
    """What new devices begin with."""

    document: dict[str, Any]
    patch: dict[str, Any]
    digest: str

    @classmethod
    def of(cls, found: DefaultConfig) -> "DefaultConfigOut":
        """Render."""
        return cls(document=dict(found.document), patch=dict(found.patch), digest=found.digest)
