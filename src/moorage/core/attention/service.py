"""Asking every capability what it knows to be amiss.

What a record and its presence tell is found, ordered and counted by the database, because a whole
fleet may be away at once. What other capabilities know is about few devices, and is merged in here.
"""

from collections.abc import Sequence

from moorage.core import config, devices, services, streams
from moorage.core.attention import rules
from moorage.core.attention.model import Cause, Flags, Need, Survey
from moorage.core.caller import Caller
from moorage.core.devices import Amiss, Filter
from moorage.kit.pages import decode_cursor, encode_cursor
from moorage.storage import Tx


async def survey(tx: Tx, caller: Caller, wanted: Filter) -> Survey:
    """Count the devices that need somebody (``device:read``, ``config:read``).

    The filter's statuses are not looked at: what is amiss is the question.
    """
    flags = await _flags(tx, caller, wanted)
    totals = await devices.amiss_totals(tx, caller, wanted, unheard_for=rules.UNHEARD_FOR)
    counts = {cause: totals[kind] for cause, kind in rules.KINDS.items()}
    for need in flags.needs.values():
        for cause in need.causes:
            if cause not in rules.KINDS:
                counts[cause] = counts.get(cause, 0) + 1
    # Those that need somebody for nothing but a flag were not counted by their records.
    alone = sum(not any(one in rules.KINDS for one in need.causes) for need in flags.needs.values())
    found = {cause: counts[cause] for cause in Cause if counts.get(cause)}
    return Survey(totals["any"] + alone, found, flags)


async def list_needs(  # noqa: PLR0913 - a query's parts
    tx: Tx,
    caller: Caller,
    wanted: Filter,
    found: Survey,
    *,
    cause: Cause | None = None,
    after: str | None = None,
    before: str | None = None,
    limit: int,
) -> tuple[list[Need], bool]:
    """Return devices that need somebody, the most pressing first, and whether there are more.

    ``after`` and ``before`` are cursors (``cursor_at``); ``cause`` keeps those with this reason.

    Raises:
        BadCursorError: the cursor is not one of ours.

    """
    cursor = before or after
    at = None
    if cursor is not None:
        rank, device_id = decode_cursor(cursor, int, str)
        at = (int(rank), str(device_id))
    back = before is not None
    kinds = {c: kind for c, kind in rules.KINDS.items() if cause in (None, c)}
    places: list[tuple[int, str]] = []
    if kinds:
        places = await devices.list_amiss(
            tx,
            caller,
            wanted,
            unheard_for=rules.UNHEARD_FOR,
            ranks={kind: rules.RANK[c] for c, kind in kinds.items()},
            but=sorted(found.flags.needs),
            at=at,
            back=back,
            limit=limit + 1,
        )
    places += [
        place
        for need in found.flags.needs.values()
        if (cause is None or cause in need.causes)
        and _is_ahead(place := rules.place_of(need, cause), at, back=back)
    ]
    places.sort(reverse=back)
    chosen = places[:limit]
    needs = await needs_of(tx, caller, [device_id for _, device_id in chosen], found.flags)
    shown = [needs[device_id] for _, device_id in chosen if device_id in needs]
    return (shown[::-1] if back else shown), len(places) > limit


def _is_ahead(place: tuple[int, str], at: tuple[int, str] | None, *, back: bool) -> bool:
    return at is None or (place < at if back else place > at)


def cursor_at(need: Need, cause: Cause | None = None) -> str:
    """Return the cursor that a list of needs goes on from behind, or before, a device."""
    return encode_cursor(*rules.place_of(need, cause))


async def needs_of(
    tx: Tx, caller: Caller, device_ids: Sequence[str], flags: Flags
) -> dict[str, Need]:
    """Return what these devices need somebody for, by device; who needs nobody is left out."""
    found = await devices.records_of(tx, caller, Filter(), device_ids)
    needs = (_need(tx, one, flags) for one in found)
    return {need.device_id: need for need in needs if need is not None}


async def _flags(tx: Tx, caller: Caller, wanted: Filter) -> Flags:
    astray = await config.list_astray(tx, caller, behind_for=rules.BEHIND_FOR)
    failed_streams = await streams.failed(tx, caller)
    failed_services = await services.failed(tx, caller)
    bare = Flags(astray, failed_streams, failed_services, {})
    named = sorted({*astray, *failed_streams, *failed_services})
    records = await devices.records_of(tx, caller, wanted, named)
    needs = [need for one in records if (need := _need(tx, one, bare)) is not None]
    flagged = {
        need.device_id: need
        for need in needs
        if any(cause not in rules.KINDS for cause in need.causes)
    }
    return Flags(astray, failed_streams, failed_services, flagged)


def _need(tx: Tx, device: Amiss, flags: Flags) -> Need | None:
    return rules.need_of(
        device,
        streams=flags.streams.get(device.id, ()),
        services=flags.services.get(device.id, ()),
        config=flags.config.get(device.id),
        now=tx.now,
    )
