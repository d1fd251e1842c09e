"""``client.commands``, ``client.streams``: what a device is asked to do."""

from typing import Literal, TypeAlias

from moorage.sdk.calls import Call, D, Paged, Resource
from moorage.sdk.models import Command, Stream
from moorage.sdk.requests import (
    LARGEST_PAGE,
    Json,
    Listing,
    Request,
    body_of,
    change,
    download,
    get,
    path_of,
    post,
)

StreamAction: TypeAlias = Literal["pause", "resume", "terminate", "trigger", "snapshot"]


class Commands(Resource[D]):
    """Commands to one device."""

    @Call
    def send(
        self,
        device_id: str,
        kind: str,
        arguments: Json | None = None,
        *,
        expires_in_s: int | None = None,
    ) -> Request[Command]:
        """Queue a command. Raises NotFound, Invalid, MissingScope (``reboot`` has its own)."""
        body = body_of(kind=kind, arguments=dict(arguments or {}), expires_in_s=expires_in_s)
        return post(Command, path_of("devices", device_id, "commands"), body)

    @Paged
    def iterate(self, device_id: str, *, page_size: int = LARGEST_PAGE) -> Listing[Command]:
        """List commands, newest first."""
        return Listing(Command, path_of("devices", device_id, "commands"), (), page_size)

    @Call
    def get(self, device_id: str, command_id: str) -> Request[Command]:
        """Return one command. Raises NotFound."""
        return get(Command, path_of("devices", device_id, "commands", command_id))

    @Call
    def cancel(self, device_id: str, command_id: str) -> Request[Command]:
        """Take a command back; one that was delivered may still run. Raises Conflict, NotFound."""
        path = path_of("devices", device_id, "commands", command_id)
        return change(Command, "DELETE", path)


class Streams(Resource[D]):
    """Streams of one device."""

    @Paged
    def iterate(self, device_id: str) -> Listing[Stream]:
        """List streams, configured and reported."""
        return Listing(Stream, path_of("devices", device_id, "streams"))

    @Call
    def act(self, device_id: str, stream_id: str, action: StreamAction) -> Request[Command]:
        """Queue what is to be done with a stream. Raises NotFound."""
        return post(Command, path_of("devices", device_id, "streams", stream_id, action))

    @Call
    def snapshot(self, device_id: str, stream_id: str) -> Request[bytes]:
        """Return the last picture of a stream (JPEG), no older than a day.

        ``act(..., "snapshot")`` asks the device for one; it is here once that command succeeded.

        Raises NotFound.
        """
        path = path_of("devices", device_id, "streams", stream_id, "snapshot")
        return download(path, "image/jpeg")
