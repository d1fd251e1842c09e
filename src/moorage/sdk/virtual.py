"""``client.virtual_devices``: a few devices that the server plays itself."""

from typing import Literal, TypeAlias

from moorage.sdk.calls import Call, D, Paged, Resource
from moorage.sdk.models import VirtualDevice, VirtualDevicesMade
from moorage.sdk.requests import Json, Listing, Request, body_of, change, get, path_of, post, remove

DriveAction: TypeAlias = Literal["offline", "online", "event", "fault", "recover"]

_PATH = "/v1/virtual-devices"


class VirtualDevices(Resource[D]):
    """Devices for demos and tests; each is a device of the same id as well."""

    @Call
    def create(
        self,
        *,
        count: int | None = None,
        profile: str | None = None,
        name: str | None = None,
        seed: int | None = None,
    ) -> Request[VirtualDevicesMade]:
        """Make some; they report from here on. Raises Invalid, Conflict beyond 50."""
        body = body_of(count=count, profile=profile, name=name, seed=seed)
        return post(VirtualDevicesMade, _PATH, body)

    @Paged
    def iterate(self) -> Listing[VirtualDevice]:
        """List them all."""
        return Listing(VirtualDevice, _PATH)

    @Call
    def get(self, device_id: str) -> Request[VirtualDevice]:
        """Return one. Raises NotFound."""
        return get(VirtualDevice, path_of("virtual-devices", device_id))

    @Call
    def delete(self, device_id: str) -> Request[None]:
        """End one, as any device is ended. Raises NotFound."""
        return remove(path_of("virtual-devices", device_id))

    @Call
    def drive(  # noqa: PLR0913 - what can be said of an event
        self,
        device_id: str,
        action: DriveAction,
        *,
        event: str | None = None,
        description: str | None = None,
        error_code: str | None = None,
        metadata: Json | None = None,
    ) -> Request[VirtualDevice]:
        """Have one do something; ``event`` names the event of that action. Raises NotFound."""
        body = body_of(
            action=action,
            event=event,
            description=description,
            error_code=error_code,
            metadata=None if metadata is None else dict(metadata),
        )
        return change(VirtualDevice, "POST", path_of("virtual-devices", device_id, "drive"), body)
