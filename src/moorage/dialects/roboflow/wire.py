"""Shapes of the Deployment Manager API, named as it spells them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from moorage.core.config import ConfigView, RevisionEntry
from moorage.core.devices import Device
from moorage.core.errors import DomainError, Kind
from moorage.core.events import Event
from moorage.core.keys import Key, NewKey
from moorage.core.logs import LogLine
from moorage.core.streams import Stream, StreamFps
from moorage.core.telemetry import Bucket
from moorage.core.workspaces import Workspace
from moorage.dialects.roboflow import shapes
from moorage.kit.clock import rfc3339

# This API has its own fixed idea of online, whatever interval a device was given.
ONLINE_WITHIN = timedelta(minutes=5)

# time_period → (span, bucket, how the bucket is spelled)
PERIODS = {
    "1h": (timedelta(hours=1), timedelta(minutes=2), "2 MINUTE"),
    "24h": (timedelta(hours=24), timedelta(minutes=30), "30 MINUTE"),
    "7d": (timedelta(days=7), timedelta(hours=4), "4 HOUR"),
    "14d": (timedelta(days=14), timedelta(hours=8), "8 HOUR"),
}


def bad(detail: str) -> DomainError:
    """Refuse a query value or a body."""
    return DomainError(Kind.INVALID, "invalid", detail)


def clamped(text: str | None, name: str, *, default: int, most: int) -> int:
    """Read an integer that is clamped into its range, never refused for its size."""
    if text is None or text == "":
        return default
    try:
        return min(max(int(text), 1), most)
    except ValueError:
        raise bad(f"{name} must be an integer from 1 to {most}") from None


def moment(text: str | None, name: str) -> datetime | None:
    """Read a time; one without a zone is UTC."""
    if text is None or text == "":
        return None
    try:
        at = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise bad(f"{name} must be a date like 2026-04-28T12:00:00Z") from None


def time_of(at: datetime | None) -> str | None:
    """Write a time: milliseconds, UTC."""
    return None if at is None else rfc3339(at)


def _event_time(at: datetime | None) -> str | None:
    if at is None:
        return None
    milliseconds = at.microsecond // 1000
    text = at.astimezone(UTC).isoformat(" ", "seconds")[:19]
    return f"{text}.{milliseconds:03d}" if milliseconds else text


def device(found: Device) -> shapes.Device:
    """A device; what it has not told yet is null."""
    facts = found.facts
    hardware = facts.get("hardware") or {}
    return {
        "id": found.id,
        "name": found.name,
        "status": status(found),
        "last_heartbeat": time_of(found.presence.last_contact_at),
        "platform": facts.get("platform"),
        "platform_release": facts.get("platform_release"),
        "platform_version": facts.get("platform_version"),
        "architecture": facts.get("architecture"),
        "hostname": facts.get("hostname"),
        "rfdm_version": facts.get("agent_version"),
        "type": facts.get("device_type") or found.type,
        "hardware": {
            "processor": hardware.get("processor"),
            "gpu": hardware.get("gpu"),
            "total_memory_mb": hardware.get("total_memory_mb"),
            "total_disk_space_mb": hardware.get("total_disk_space_mb"),
        },
        "tags": list(found.tags),
        "created_at": time_of(found.created_at),
    }


def status(found: Device) -> str:
    """``online`` for a heartbeat in the last five minutes, ``unknown`` when there never was one."""
    silent = found.presence.silent_for
    if silent is None:
        return "unknown"
    return "online" if silent <= ONLINE_WITHIN else "offline"


def config(found: Device, view: ConfigView, workspace: str) -> shapes.Config:
    """The whole document with what frames it."""
    return {
        "device_id": found.id,
        "device_name": found.name,
        "workspace_id": workspace,
        "version": str(view.revision),
        "last_updated": time_of(view.created_at),
        "last_updated_at": time_of(view.created_at),
        "created_at": time_of(view.began_at),
        "config": view.document.get("config", {}),
        "services": view.document.get("services", {}),
        "streams": view.document.get("streams", {}),
    }


def revision(entry: RevisionEntry) -> shapes.Revision:
    """One entry of the history."""
    return {
        "revision_id": str(entry.revision),
        "created_at": time_of(entry.created_at),
        "created_by": entry.created_by,
        "version": str(entry.revision),
        "changed": list(entry.changed),
    }


def stream(found: Stream) -> shapes.Stream:
    """A stream; every field may be null."""
    return {
        "id": found.id,
        "name": found.name,
        "status": found.status,
        "pipeline_id": found.pipeline_id,
        "workflow_id": found.workflow_id,
        "source": found.source,
        "started_at": time_of(found.started_at),
        "last_event_at": time_of(found.last_event_at),
        "camera_fps": found.camera_fps,
        "inference_fps": found.inference_fps,
        "sharpness": found.sharpness,
        "error": found.error,
    }


def log_line(line: LogLine) -> shapes.LogLine:
    """One line."""
    return {
        "timestamp": time_of(line.at),
        "service": line.service,
        "severity": line.severity,
        "message": line.message,
    }


def bucket(found: Bucket) -> shapes.Bucket:
    """Means of one bucket, peaks beside the percentages."""
    values = found.values
    return {
        "bucket_start": time_of(found.start),
        "samples": found.samples,
        "cpu_percent": values["cpu_percent"],
        "cpu_percent_max": values["cpu_percent_max"],
        "memory_percent": values["memory_percent"],
        "memory_percent_max": values["memory_percent_max"],
        "disk_percent": values["disk_percent"],
        "disk_percent_max": values["disk_percent_max"],
        "gpu_percent": values["gpu_percent"],
        "gpu_percent_max": values["gpu_percent_max"],
        "temperature_c": values["temperature_c"],
        "network_upload_bytes_per_sec": values["network_upload_bytes_per_sec"],
        "network_download_bytes_per_sec": values["network_download_bytes_per_sec"],
    }


def stream_fps(found: StreamFps) -> shapes.StreamFps:
    """Rates of one stream."""
    return {
        "stream_id": found.stream_id,
        "stream_name": found.stream_name,
        "pipeline_id": found.pipeline_id,
        "buckets": [
            {
                "bucket_start": time_of(start),
                "camera_fps": camera,
                "inference_fps": inference,
                "sharpness": sharpness,
            }
            for start, camera, inference, sharpness in found.buckets
        ],
    }


def event(found: Event) -> shapes.Event:
    """One event; its three times alone are written without a zone."""
    return {
        "id": found.id,
        "event": found.event,
        "entity_type": found.entity_type,
        "entity_id": found.entity_id,
        "event_description": found.description,
        "error_code": found.error_code,
        "metadata": dict(found.metadata),
        "device_timestamp": _event_time(found.at),
        "server_timestamp": _event_time(found.received_at),
        "event_end_timestamp": _event_time(found.ended_at),
    }


def key(found: Key) -> shapes.Key:
    """A key, never its text; a device's key is named after the device."""
    return {
        "keyId": found.id,
        "name": f"Device: {found.device_id}" if found.device_id else found.name,
        "prefix": found.prefix,
        "scopes": None if found.scopes is None else sorted(found.scopes),
        "folderIds": None,
        "default": False,
        "protected": found.protected,
        "disabled": found.disabled_at is not None,
        "created_on": time_of(found.created_at),
        "created_by": found.created_by,
        "rotationDueAt": None,
        "customMetadata": dict(found.metadata),
    }


def made_key(made: NewKey, workspace: Workspace) -> shapes.KeyMade:
    """A key just made: its text is here and nowhere else."""
    shown = key(made.key)
    return {
        "keyId": shown["keyId"],
        "key": made.text,
        "name": shown["name"],
        "scopes": shown["scopes"],
        "folderIds": None,
        "protected": shown["protected"],
        "publishableKey": publishable(workspace),
    }


def key_name(told: Mapping[str, Any]) -> str:
    """Return a key's name."""
    name = str(told.get("name", "API key")).strip()
    if not name or len(name) > 128 or not name.isprintable():  # noqa: PLR2004 - named in the text
        raise bad("name is 1 to 128 printable characters")
    return name


def scope_names(scopes: Any) -> list[str] | None:
    """Return the scopes of a body; None is all."""
    if scopes is None:
        return None
    if not all(isinstance(scope, str) for scope in scopes):
        raise bad("scopes must be an array of strings, or null for all")
    return list(scopes)


def publishable(workspace: Workspace) -> str:
    """A text that names the workspace to browsers; it opens nothing here (ours)."""
    return "rf_" + workspace.id.removeprefix("acc_")


def pagination(next_cursor: str | None, limit: int) -> shapes.Pagination:
    """What frames a page."""
    return {"next_cursor": next_cursor, "has_more": next_cursor is not None, "limit": limit}


@dataclass(frozen=True)
class NewDevice:
    """A device as the body asks for it."""

    name: str
    type: str | None
    tags: list[str]
    offline: bool
    workflow_id: str | None
    source_id: str | None


def new_device(body: Any) -> NewDevice:
    """Read the body of a device to make; null is the same as absent."""
    if not isinstance(body, dict):
        raise bad("the body must be a JSON object with device_name")
    told = fields(
        {name: value for name, value in body.items() if value is not None},
        {
            "device_name": str,
            "device_type": str,
            "workflow_id": str,
            "tags": list,
            "offline_mode": bool,
            "sourceDeviceId": str,
        },
    )
    name = told.get("device_name", "").strip()
    if not name or len(name) > 256:  # noqa: PLR2004 - the figure the text names
        raise bad("device_name is required: 1 to 256 characters")
    tags = told.get("tags", [])
    if not all(isinstance(tag, str) and tag.strip() for tag in tags):
        raise bad("tags must be an array of non-empty strings")
    return NewDevice(
        name=name,
        type=told.get("device_type", "").strip() or None,
        tags=tags,
        offline=told.get("offline_mode", False),
        workflow_id=told.get("workflow_id") or None,
        source_id=told.get("sourceDeviceId") or None,
    )


def fields(body: Any, names: Mapping[str, type | tuple[type, ...]]) -> dict[str, Any]:
    """Return the named fields of a body that are there, each of its type."""
    if not isinstance(body, dict):
        raise bad("the body must be a JSON object")
    found: dict[str, Any] = {}
    for name, kind in names.items():
        if name not in body:
            continue
        value = body[name]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise bad(f"{name} has the wrong type")
        found[name] = value
    return found
