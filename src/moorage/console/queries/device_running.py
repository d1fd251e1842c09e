"""What the tabs Streams and Services of a device read."""

import json
import shlex
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote

from moorage.console.contexts.device_action import Spelled
from moorage.console.contexts.device_running import (
    Action,
    ConfigStand,
    Services,
    ServiceShown,
    Streams,
    StreamShown,
)
from moorage.console.queries.device import frame
from moorage.console.showing import with_query
from moorage.core import config, devices, services, streams
from moorage.core.caller import Caller, DeviceRef, Scope
from moorage.core.services import Service
from moorage.core.streams import Stream
from moorage.storage import Tx

_LONGEST_SOURCE = 1_000


class _Act(NamedTuple):
    """What can be asked of a stream; ``kind`` is the command that asks."""

    kind: str
    title: str
    icon: str
    question: str | None = None


_ACTIONS: Mapping[str, _Act] = {
    "snapshot": _Act("snapshot", "Take a picture", "camera"),
    "pause": _Act("pause_stream", "Pause", "player-pause"),
    "resume": _Act("resume_stream", "Resume", "player-play"),
    "trigger": _Act("trigger_stream", "Trigger", "bolt"),
    "terminate": _Act(
        "terminate_stream", "Terminate", "player-stop", "The stream ends on the device."
    ),
}


async def show_streams(tx: Tx, caller: Caller, device_id: str) -> Streams:
    """Read the tab Streams (``device:read``)."""
    head = await frame(tx, caller, device_id)
    device = (await devices.get(tx, caller, device_id)).ref
    configured = await config.streams_of(tx, device)
    pictures = await streams.snapshot_times(tx, caller, device)
    shown = []
    for one in await streams.list_streams(tx, caller, device):
        taken_at = pictures.get(one.id)
        origin, astray = _origin(
            "stream",
            configured=one.id in configured,
            reported=one.status != streams.PROVISIONING,
        )
        picture = with_query(
            f"{head.path}/streams/picture",
            {"stream": one.id, "at": taken_at and int(taken_at.timestamp() * 1000)},
        )
        shown.append(
            StreamShown(
                id=one.id,
                name=one.name or one.id,
                status=one.status or "unknown",
                origin=origin,
                astray=astray,
                figures=_figures(one),
                source=_source(one),
                pipeline=one.pipeline_id or one.workflow_id,
                started_at=one.started_at,
                last_event_at=one.last_event_at,
                error=one.error,
                picture=picture if taken_at else None,
                taken_at=taken_at,
                actions=_actions(device_id, one.id) if caller.may(Scope.COMMAND_SEND) else (),
            )
        )
    return Streams(
        head,
        shown,
        await _stand(tx, caller, device),
        Spelled(
            "GET",
            f"/v1/devices/{device_id}/streams",
            cli=f"stream list {device_id}",
            sdk=f"for stream in fleet.streams.iterate({device_id!r}):\n        print(stream)",
        ),
    )


def _origin(what: str, *, configured: bool, reported: bool) -> tuple[str, bool]:
    """Say whether a part is wanted and there, and whether these differ."""
    if configured and reported:
        return "in its config", False
    if configured:
        return "in its config; the device has not reported it", True
    return f"not in its config: the device runs this {what} all the same", True


def _figures(one: Stream) -> list[tuple[str, str]]:
    given = {
        "camera": (one.camera_fps, "{:.1f} fps"),
        "inference": (one.inference_fps, "{:.1f} fps"),
        "sharpness": (one.sharpness, "{:.2f}"),
    }
    return [
        (name, form.format(value)) for name, (value, form) in given.items() if value is not None
    ]


def _source(one: Stream) -> str | None:
    if one.source is None:
        return None
    text = one.source if isinstance(one.source, str) else json.dumps(one.source)
    return text[:_LONGEST_SOURCE]


def _actions(device_id: str, stream_id: str) -> list[Action]:
    return [
        Action(act.kind, act.title, act.icon, act.question, _act_spelled(device_id, stream_id, key))
        for key, act in _ACTIONS.items()
    ]


def _act_spelled(device_id: str, stream_id: str, key: str) -> Spelled:
    path = f"/v1/devices/{device_id}/streams/{quote(stream_id, safe='')}/{key}"
    named = shlex.quote(stream_id)
    cli = f"stream {key} {device_id} {named}"
    return Spelled(
        "POST",
        path,
        cli=f"{cli} --output picture.jpg" if key == "snapshot" else cli,
        sdk=f"fleet.streams.act({device_id!r}, {stream_id!r}, {key!r})",
    )


async def _stand(tx: Tx, caller: Caller, device: DeviceRef) -> ConfigStand | None:
    if not caller.may(Scope.CONFIG_READ):
        return None
    view = await config.get(tx, caller, device)
    return ConfigStand(str(view.applied.state), view.revision, view.applied.revision)


async def show_services(tx: Tx, caller: Caller, device_id: str) -> Services:
    """Read the tab Services (``device:read``)."""
    head = await frame(tx, caller, device_id)
    device = (await devices.get(tx, caller, device_id)).ref
    configured = await config.services_of(tx, device)
    may = caller.may(Scope.COMMAND_SEND)
    found = await services.list_services(tx, caller, device)
    return Services(
        head,
        [_service(head.path, one, wanted=one.name in configured, may=may) for one in found],
        await _stand(tx, caller, device),
        Spelled(
            "GET",
            f"/v1/devices/{device_id}/services",
            cli=f"device services {device_id}",
            sdk=f"for service in fleet.devices.services({device_id!r}):\n        print(service)",
        ),
    )


def _service(path: str, one: Service, *, wanted: bool, may: bool) -> ServiceShown:
    used = []
    if one.cpu_percent is not None:
        used.append(f"{one.cpu_percent:.0f} % CPU")
    if one.memory_mb is not None:
        used.append(f"{one.memory_mb:.0f} MB")
    origin, astray = _origin("service", configured=wanted, reported=one.reported_at is not None)
    return ServiceShown(
        name=one.name,
        state=one.state or "unknown",
        origin=origin,
        astray=astray,
        image=one.image,
        restarts=one.restarts,
        figures=", ".join(used),
        error=one.error,
        reported_at=one.reported_at,
        restart=_restart(path.rsplit("/", 1)[-1], one.name) if may else None,
        logs=with_query(f"{path}/logs", {"service": one.name}),
    )


def _restart(device_id: str, name: str) -> Action:
    return Action(
        "restart_service",
        "Restart",
        "refresh",
        "The service is away until it is up again.",
        Spelled(
            "POST",
            f"/v1/devices/{device_id}/commands",
            body={"kind": "restart_service", "arguments": {"service": name}},
            cli=f"command send {device_id} restart_service --arg {shlex.quote(f'service={name}')}",
            sdk=f"fleet.commands.send({device_id!r}, 'restart_service', { ({'service': name})!r})",
        ),
    )
