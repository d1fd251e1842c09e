"""Report bodies and their chain. A body is made once: the chain covers its very bytes."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any, Dict, Tuple

from moorage_agent import clock

MOST_ROWS = 1000
MOST_BYTES = 512 * 1024
# Of the past, of which there may be many: as large as above they cost seven megabytes of memory.
MOST_PAST_BYTES = 128 * 1024

# Parts that are content: what is taken out when a report is emptied.
CONTENT = ("facts", "telemetry", "streams", "services", "logs", "events", "config", "commands")


def first_chain(epoch: str) -> str:
    """Return the chain before an epoch's first report."""
    return hashlib.sha256(epoch.encode("utf-8")).hexdigest()


def chain_after(previous: str, body: bytes) -> str:
    """Return the chain after a body."""
    digest = hashlib.sha256(body).hexdigest()
    return hashlib.sha256((previous + ":" + digest).encode("ascii")).hexdigest()


def encode(report: Dict[str, Any]) -> bytes:
    """Serialise a report."""
    return json.dumps(report, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def new_id(wall: float) -> str:
    """Return a new report's id: a UUID that sorts by the time given (version 7, RFC 9562).

    The server looks reports up by device and id: those that ascend lie beside each other on its
    disk, and each new one beside the last. A clock that is off costs that, and nothing else.
    """
    milliseconds = int(wall * 1000) & (2**48 - 1)
    random_bits = uuid.uuid4().int & (2**76 - 1)  # with the variant among them
    return str(uuid.UUID(int=milliseconds << 80 | 7 << 76 | random_bits))


def placed(
    report: Dict[str, Any], *, store: str, epoch: str, sequence: int, previous: str
) -> Dict[str, Any]:
    """Return the report at another place of another chain, its id and content as they were."""
    moved = {
        **report,
        "store": store,
        "epoch": epoch,
        "sequence": sequence,
        "previous": previous,
    }
    moved.pop("continues", None)
    return moved


def emptied(report: Dict[str, Any], wall: float) -> Dict[str, Any]:
    """Return the report without content, with counts of the rows it had, and with a new id."""
    dropped = dict(report.get("dropped") or {})
    for part in ("telemetry", "logs", "events"):
        count = len(report.get(part) or ())
        if count:
            dropped[part] = dropped.get(part, 0) + count
    bare = {name: value for name, value in report.items() if name not in CONTENT}
    bare["id"] = new_id(wall)
    if dropped:
        bare["dropped"] = dropped
    return bare


def device_time(composed: Tuple[float, float, str], present: clock.Instant, boot_id: str) -> str:
    """Return the present by the clock the body was written with.

    The server corrects a body's times by the difference to its own clock, so after this device's
    clock was set the old body must still go with the old clock. ``composed`` is (wall, steady,
    boot) of its making; after a reboot the old clock is gone and the present one must do.
    """
    wall, steady, boot = composed
    if boot != boot_id:
        return clock.rfc3339(present.wall)
    return clock.rfc3339(wall + present.steady - steady)
