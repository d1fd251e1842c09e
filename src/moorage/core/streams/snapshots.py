"""Pictures of streams: one JPEG each, brought by the device that was asked for it, for a day."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from moorage.core import commands
from moorage.core.caller import Caller, DeviceRef, Scope
from moorage.core.errors import DomainError, Kind, not_found
from moorage.core.streams import store
from moorage.storage import Tx

KEPT = timedelta(hours=24)
LARGEST_BYTES = 512 * 1024
_STARTS, _ENDS = b"\xff\xd8\xff", b"\xff\xd9"


@dataclass(frozen=True)
class Snapshot:
    """The last picture of a stream. ``taken_at`` is when it arrived."""

    stream_id: str
    taken_at: datetime
    command_id: str
    jpeg: bytes = field(repr=False)


async def record_snapshot(tx: Tx, caller: Caller, command_id: str, jpeg: bytes) -> None:
    """Keep a picture that a device was asked for, with its own key; it replaces the one before.

    Raises:
        DomainError: ``not_found`` unless that command is under way and asks for a picture;
            ``invalid`` for what is no JPEG; ``too_large``.

    """
    device_id = caller.require_device()
    if len(jpeg) > LARGEST_BYTES:
        raise DomainError(
            Kind.TOO_LARGE,
            "body_too_large",
            f"a picture is at most {LARGEST_BYTES} bytes; make it smaller",
            extra={"limit_bytes": LARGEST_BYTES},
        )
    if not jpeg.startswith(_STARTS) or not jpeg.rstrip(b"\0").endswith(_ENDS):
        raise DomainError(Kind.INVALID, "not_a_jpeg", "the body is not one whole JPEG picture")
    device = DeviceRef(device_id, caller.workspace_id, caller.live)
    command = await commands.find_under_way(tx, device, command_id)
    if command is None or command.kind != commands.SNAPSHOT:
        raise not_found("command that asks for a picture")
    await store.replace_snapshot(
        tx,
        device_id,
        str(command.arguments["stream_id"]),
        {"taken_at": tx.now, "command_id": command_id, "jpeg": jpeg},
    )


async def get_snapshot(tx: Tx, caller: Caller, device: DeviceRef, stream_id: str) -> Snapshot:
    """Return the last picture of a stream, no older than 24 hours (``device:read``)."""
    caller.require(Scope.DEVICE_READ)
    row = await store.find_snapshot(tx, device.device_id, stream_id, since=tx.now - KEPT)
    if row is None:
        raise not_found("picture of that stream; ask the device for one")
    return Snapshot(stream_id, row.taken_at, row.command_id, row.jpeg)


async def snapshot_times(tx: Tx, caller: Caller, device: DeviceRef) -> dict[str, datetime]:
    """Return when the last picture of each stream arrived, of 24 hours (``device:read``)."""
    caller.require(Scope.DEVICE_READ)
    found = await store.snapshot_times(tx, device.device_id, since=tx.now - KEPT)
    return {row.stream_id: row.taken_at for row in found}


async def purge_snapshots(tx: Tx, rows: int) -> int:
    """Delete up to ``rows`` pictures of more than 24 hours ago; return how many went."""
    return await store.delete_snapshots(tx, tx.now - KEPT, rows)
