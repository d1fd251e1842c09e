"""Keeping and reading what devices report of their services."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from moorage.core import config, devices
from moorage.core.caller import Caller, DeviceRef, Scope
from moorage.core.services import store
from moorage.storage import Tx

PROVISIONING = "provisioning"
FAILED = "failed"


@dataclass(frozen=True)
class Service:
    """A service as config and the device's last word have it; ``reported_at`` None: no word yet."""

    name: str
    state: str | None
    image: str | None
    restarts: int | None
    cpu_percent: float | None
    memory_mb: float | None
    error: str | None
    reported_at: datetime | None


async def record(tx: Tx, states: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Keep what devices report, by device. Ingest calls this."""
    await store.replace_states(tx, states)


async def list_services(tx: Tx, caller: Caller, device: DeviceRef) -> list[Service]:
    """List a device's services, configured and reported, by name (``device:read``)."""
    caller.require(Scope.DEVICE_READ)
    configured = await config.services_of(tx, device)
    told = {row.name: row for row in await store.states_of(tx, device.device_id)}
    return [
        Service(
            name,
            row.state,
            row.image,
            row.restarts,
            row.cpu_percent,
            row.memory_mb,
            row.error,
            row.reported_at,
        )
        if (row := told.get(name))
        else Service(name, PROVISIONING, _image(configured[name]), None, None, None, None, None)
        for name in sorted({*configured, *told})
    ]


async def failed(tx: Tx, caller: Caller) -> dict[str, list[str]]:
    """Return names of services that last reported to have failed, by device (``device:read``)."""
    found: dict[str, list[str]] = {}
    for row in await store.with_state(tx, devices.ids_of(caller), FAILED):
        found.setdefault(row.device_id, []).append(row.name)
    return found


def _image(own: Mapping[str, Any]) -> str | None:
    image, tag = own.get("image"), own.get("tag")
    if not isinstance(image, str):
        return None
    return f"{image}:{tag}" if isinstance(tag, str) and tag else image
