"""What the fleet page reads."""

from moorage.console.contexts.fleet import Fleet, Row
from moorage.core import devices
from moorage.core.caller import Caller
from moorage.core.devices import Filter
from moorage.storage import Tx

_PAGE = 50


async def first_look(tx: Tx, caller: Caller) -> Fleet:
    """Read the first page and the totals."""
    page = await devices.list_devices(tx, caller, Filter(), limit=_PAGE)
    counts = await devices.counts(tx, caller, Filter())
    rows = [
        Row(
            one.id,
            one.name,
            one.type,
            str(one.presence.status),
            one.presence.reason,
            one.tags,
            one.facts.get("hostname"),
            one.last_seen_at,
        )
        for one in page.items
    ]
    return Fleet(rows, {str(status): count for status, count in counts.items()})
