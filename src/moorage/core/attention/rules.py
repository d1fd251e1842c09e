"""What counts as a reason, as pure functions."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from moorage.core.attention.model import Cause, Need
from moorage.core.config import Applied, Astray
from moorage.core.devices import Amiss, Approval, Status

# Whoever made a device comes round to installing it; after so long it is forgotten, or went wrong.
UNHEARD_FOR = timedelta(days=1)
# A device fetches a new revision with its next report; after so long it is not about to.
BEHIND_FOR = timedelta(minutes=10)

RANK = {cause: at for at, cause in enumerate(Cause)}
# The reasons that a record and its presence tell, by what ``devices`` calls them.
KINDS = {
    Cause.OFFLINE: "offline",
    Cause.CLONE_SUSPECTED: "clone",
    Cause.PENDING_APPROVAL: "pending",
    Cause.LATE: "late",
    Cause.NEVER_SEEN: "unheard",
}


def need_of(
    device: Amiss,
    *,
    streams: Sequence[str],
    services: Sequence[str],
    config: Astray | None,
    now: datetime,
) -> Need | None:
    """Return what a device needs somebody for, or None.

    What a device that is away last said of its streams and services says nothing any more, and its
    config is behind because it is away.
    """
    there = device.status in (Status.ONLINE, Status.LATE)
    failed = config is not None and config.state is Applied.FAILED
    behind = config is not None and config.state is Applied.PENDING
    unheard = device.status is Status.NEVER_SEEN and device.created_at < now - UNHEARD_FOR
    is_so = {
        Cause.OFFLINE: device.status is Status.OFFLINE,
        Cause.CLONE_SUSPECTED: device.clone_suspected,
        Cause.CONFIG_FAILED: there and failed,
        Cause.STREAM_FAILED: there and bool(streams),
        Cause.SERVICE_FAILED: there and bool(services),
        Cause.PENDING_APPROVAL: device.approval is Approval.PENDING,
        Cause.LATE: device.status is Status.LATE,
        Cause.CONFIG_BEHIND: there and behind,
        Cause.NEVER_SEEN: unheard and device.approval is Approval.APPROVED,
    }
    causes = [cause for cause, holds in is_so.items() if holds]
    if not causes:
        return None
    return Need(device.id, device.name, causes, streams, services, config)


def place_of(need: Need, cause: Cause | None = None) -> tuple[int, str]:
    """Return where a device stands among those that need somebody, or do for this reason."""
    return (RANK[cause or need.causes[0]], need.device_id)
