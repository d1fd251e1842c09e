"""What stands around every tab of a device's page."""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from moorage.console.contexts.device import DeviceFrame, DeviceState, Warned
from moorage.core import accounts, config, devices
from moorage.core.caller import Caller, Scope
from moorage.core.config import Applied, AppliedState
from moorage.core.devices import Approval, Device
from moorage.kit.spans import spelled
from moorage.storage import Tx

# Where a clock is off by more, the times a device sends are corrected.
_SKEW_WORTH_SAYING_MS = 2_000
_LONGEST_FACT = 1_000
_ACTORS = {"key": "API key", "device": "device", "system": "the server:"}


async def frame(tx: Tx, caller: Caller, device_id: str) -> DeviceFrame:
    """Read a device's head (``device:read``). Raises DomainError ``not_found``."""
    device = await devices.get(tx, caller, device_id)
    applied = None
    if caller.may(Scope.CONFIG_READ):
        applied = (await config.get(tx, caller, device.ref)).applied
    return frame_of(caller, device, applied)


def frame_of(caller: Caller, device: Device, applied: AppliedState | None) -> DeviceFrame:
    """Put the head together of what was read already."""
    hostname = device.facts.get("hostname")
    return DeviceFrame(
        id=device.id,
        live=device.live,
        name=device.name,
        type=device.type,
        status=str(device.presence.status),
        reason=device.presence.reason,
        last_seen_at=device.last_seen_at,
        tags=device.tags,
        reference=device.reference,
        external_id=device.external_id,
        hostname=None if hostname is None else str(hostname),
        facts=[(name.replace("_", " "), text) for name, text in _facts(device.facts)],
        created_at=device.created_at,
        interval_s=device.interval_s,
        uptime_s=device.uptime_s,
        approval=str(device.approval),
        warnings=[*_warnings(device, applied)],
        may_update=caller.may(Scope.DEVICE_UPDATE),
        may_delete=caller.may(Scope.DEVICE_DELETE),
        may_configure=caller.may(Scope.CONFIG_WRITE),
    )


async def state(tx: Tx, caller: Caller, device_id: str) -> DeviceState:
    """Read what of the head changes by itself."""
    return DeviceState(await frame(tx, caller, device_id))


async def authors(tx: Tx, caller: Caller) -> Callable[[str], str]:
    """Return what says who did something, from an actor's id: by name where it has one."""
    names = await accounts.names(tx, caller)

    def named(actor: str) -> str:
        kind, _, known = actor.partition(":")
        if actor == caller.actor:
            return "you"
        if kind == "user":
            return names.get(known, f"somebody who left ({known})")
        return f"{_ACTORS.get(kind, kind)} {known}"

    return named


def _facts(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Say facts in words; those within others are named by the way there."""
    for name, value in sorted(told.items()):
        if isinstance(value, Mapping):
            for inner, text in _facts(value):
                yield f"{name} {inner}", text
        elif isinstance(value, bool):
            yield name, "yes" if value else "no"
        elif isinstance(value, list):
            yield name, ", ".join(str(part) for part in value)[:_LONGEST_FACT]
        elif value is not None:
            yield name, str(value)[:_LONGEST_FACT]


def _warnings(device: Device, applied: AppliedState | None) -> Iterator[Warned]:
    if device.approval is Approval.PENDING:
        yield Warned(
            "approval",
            "warning",
            "Waiting for approval",
            "It asked to be let in. Until it is approved its key opens nothing.",
        )
    if device.approval is Approval.REJECTED:
        yield Warned(
            "approval",
            "danger",
            "Rejected",
            "Its key opens nothing. What it keeps on disk comes in once it is approved.",
        )
    if device.clone_suspected_at is not None:
        yield Warned(
            "clone",
            "danger",
            "Two copies seem to speak under one key",
            "A disk was copied or set back, and one of them is refused. Give one of them a record "
            "of its own, then release this one for the other or install it anew.",
        )
    if applied is not None and applied.state is Applied.FAILED:
        yield Warned(
            "config",
            "danger",
            f"Config revision {applied.revision} failed",
            applied.error or "The device told no reason.",
        )
    if applied is not None and applied.state is Applied.DRIFTED:
        yield Warned(
            "config",
            "warning",
            "It runs another config than it should",
            f"It names revision {applied.revision}, but the digest of what it runs differs.",
        )
    if device.skew_ms is not None and abs(device.skew_ms) >= _SKEW_WORTH_SAYING_MS:
        way = "ahead of" if device.skew_ms > 0 else "behind"
        by = spelled(timedelta(milliseconds=abs(device.skew_ms)))
        yield Warned(
            "clock",
            "warning",
            f"Its clock is {by} {way} the server's",
            "The times of what it sends are corrected. Let the device follow a time server.",
        )
    if device.released_at is not None:
        yield Warned(
            "released",
            "info",
            "Released for new hardware",
            "The next time its hardware comes with a provisioning token it is let into this "
            "record, once.",
        )
