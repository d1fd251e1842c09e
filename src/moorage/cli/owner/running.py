"""What a device runs: its streams and its services, shown; streams paused, resumed, ended."""

from moorage import sdk
from moorage.cli.owner import output, sending
from moorage.cli.owner.following import Asking
from moorage.cli.owner.outcomes import Exit, Refused, usage
from moorage.cli.owner.session import connected, device_id
from moorage.cli.owner.text import time_text
from moorage.sdk.running import StreamAction


def list_streams(profile: str | None, named: str, *, as_json: bool) -> None:
    """Print a device's streams, configured and reported."""
    with connected(profile) as client:
        found = list(client.streams.iterate(device_id(client, named)))
    if as_json:
        output.emit(found)
        return
    output.table(
        ["id", "name", "status", "since", "camera fps", "inference fps", "source", "error"],
        [
            [
                one.id,
                one.name or "",
                one.status or "",
                time_text(one.started_at),
                _number(one.camera_fps),
                _number(one.inference_fps),
                _source(one.source),
                one.error or "",
            ]
            for one in found
        ],
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _source(source: object) -> str:
    if source is None:
        return ""
    return source if isinstance(source, str) else output.compact(source)


def act(
    profile: str | None,
    named: str,
    stream: str,
    action: StreamAction,
    *,
    wait_s: int | None,
    every_s: float,
    dry_run: bool,
    as_json: bool,
) -> Exit:
    """Queue what is to be done with a stream and perhaps wait for it; return how it went."""
    with connected(profile) as client:
        device = device_id(client, named)
        wanted = stream_id(client, device, stream)
        if dry_run:
            found = client.devices.get(device)
            output.note(f"{found.name} is {found.status}")
            body = {"kind": f"{action}_stream", "arguments": {"stream_id": wanted}}
            output.dry_run(None, {"device": device, **body}, as_json=as_json)
            return Exit.OK
        sent = client.streams.act(device, wanted, action)
        if wait_s is not None:
            sent = sending.wait_for(client, device, sent, Asking(every_s, wait_s))
    sending.show(sent, as_json=as_json)
    return Exit.OK if wait_s is None or sent.state == "succeeded" else Exit.FAILED


def stream_id(client: sdk.Moorage, device: str, named: str) -> str:
    """Return the id of the stream with this id or a name only it has.

    The server queues commands for streams it has not heard of; a slip is to be found before that. A
    key that may send but not look is taken at its word.

    Raises:
        Refused: there is none (3), or the name stands for several (2).

    """
    if not named.strip("."):
        raise usage("name a stream by its id, or a name only it has")
    try:
        found = list(client.streams.iterate(device))
    except sdk.MissingScope:
        return named
    if any(one.id == named for one in found):
        return named
    ids = [one.id for one in found if one.name == named]
    if len(ids) > 1:
        raise usage(f"{named!r} stands for {len(ids)} streams, use the id of one: {', '.join(ids)}")
    if not ids:
        there = ", ".join(one.id for one in found[:20]) or "none"
        raise Refused(
            f"the device has no stream with the id or name {named!r}; it has: {there}",
            Exit.NOT_FOUND,
        )
    return ids[0]


def list_services(profile: str | None, named: str, *, as_json: bool) -> None:
    """Print a device's services, configured and reported."""
    with connected(profile) as client:
        found = list(client.devices.services(device_id(client, named)))
    if as_json:
        output.emit(found)
        return
    output.table(
        ["name", "state", "image", "restarts", "cpu %", "memory MB", "reported", "error"],
        [
            [
                one.name,
                one.state or "",
                one.image or "",
                "" if one.restarts is None else str(one.restarts),
                _number(one.cpu_percent),
                _number(one.memory_mb),
                time_text(one.reported_at),
                one.error or "",
            ]
            for one in found
        ],
    )
