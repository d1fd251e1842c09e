"""Statements that list and count devices."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, TypeAlias

import sqlalchemy as sa

from moorage.core.devices import rules
from moorage.core.devices.model import Approval, Device, Filter, Sort, Status, Vocabulary
from moorage.core.devices.store import all_tags, tags_of
from moorage.core.devices.tables import (
    ITS_PRESENCE,
    SELECTED,
    TEXTS,
    device_of,
    devices,
    has_status,
    last_heartbeat,
    owned_by_key,
    presence,
    status_expression,
    status_totals,
    tags,
)
from moorage.kit.clock import to_ms
from moorage.kit.pages import Page, decode_cursor, encode_cursor
from moorage.storage import Row, Tx
from moorage.storage.alive import Absence, absences

# Each part: the column, what a cursor holds of it, and its type in SQL.
_Key: TypeAlias = tuple[tuple[sa.ColumnElement[Any], type, Any], ...]

_last = sa.func.coalesce(last_heartbeat, 0)

# Each order is by a column and then by id, which makes it total.
_BY_ID: _Key = ((devices.c.id, str, sa.Text),)
_ORDERS: dict[str, _Key] = {
    "name": ((devices.c.name, str, sa.Text), *_BY_ID),
    "last_heartbeat": ((_last, int, sa.BigInteger), (presence.c.device_id, str, sa.Text)),
}


async def _of_record(tx: Tx, wanted: Filter) -> tuple[list[sa.ColumnElement[bool]], bool]:
    """Conditions on the record, beside whose it is; and whether they name few by their ids."""
    chosen: list[sa.ColumnElement[bool]] = []
    if wanted.type is not None:
        chosen.append(devices.c.type == wanted.type)
    if wanted.approval is not None:
        chosen.append(devices.c.approval == str(wanted.approval))
    chosen.extend(
        sa.exists().where(tags.c.device_id == devices.c.id, tags.c.tag == tag)
        for tag in wanted.tags
    )
    if not wanted.text:
        return chosen, False
    holding = await TEXTS.holding(tx, wanted.text)
    return [*chosen, *holding.conditions], holding.by_key


def _owned(workspace_id: str, *, live: bool, by_key: bool = False) -> sa.ColumnElement[bool]:
    """Whose record it is, joined with its presence. ``by_key``: there is a list of few ids."""
    own = owned_by_key(workspace_id) if by_key else devices.c.workspace_id == workspace_id
    return sa.and_(own, devices.c.live == live, presence.c.live == live)


def _owned_presence(workspace_id: str, *, live: bool) -> sa.ColumnElement[bool]:
    return sa.and_(presence.c.workspace_id == workspace_id, presence.c.live == live)


async def list_devices(  # noqa: PLR0913 - a query's parts
    tx: Tx,
    workspace_id: str,
    wanted: Filter,
    *,
    live: bool,
    sort: Sort,
    cursor: str | None,
    limit: int | None,
    offset: int = 0,
) -> Page[Device]:
    """One page, or all when ``limit`` is None."""
    away = await absences(tx)
    key = _ORDERS.get(sort.lstrip("-"), _BY_ID)
    down = sort.startswith("-")
    order = [part.desc() if down else part for part, _, _ in key]
    of_record, by_key = await _of_record(tx, wanted)
    following = [] if cursor is None else [_following(key, cursor, down=down)]
    if wanted.statuses:
        following.append(has_status(wanted.statuses, tx.now, away))
    owned = _owned(workspace_id, live=live, by_key=by_key)
    chosen = SELECTED.where(owned, *of_record, *following).order_by(*order)
    if limit is not None and key is _ORDERS["last_heartbeat"]:
        # All have to be looked at to find the first: without what is shown of them, and if nothing
        # else is asked for, without their records.
        nearest = sa.select(presence.c.device_id)
        if of_record:
            nearest = nearest.join(devices, ITS_PRESENCE).where(owned, *of_record)
        else:
            nearest = nearest.where(_owned_presence(workspace_id, live=live))
        nearest = nearest.where(*following).order_by(*order).limit(limit + 1).offset(offset)
        there = sa.select(nearest.subquery("nearest"))
        chosen = SELECTED.where(
            _owned(workspace_id, live=live, by_key=True), devices.c.id.in_(there)
        ).order_by(*order)
    elif limit is not None:
        chosen = chosen.limit(limit + 1).offset(offset)
    sort_key = [part.label(f"key_{at}") for at, (part, _, _) in enumerate(key)]
    rows = await tx.rows(chosen.add_columns(*sort_key))
    page = rows if limit is None else rows[:limit]
    more = len(rows) > len(page)
    if limit is None:  # of so many, it takes longer to say of which than to read them all
        its_tags = await all_tags(tx, workspace_id, live=live)
    else:
        its_tags = await tags_of(tx, [row.id for row in page]) if page else {}
    return Page(
        [device_of(row, its_tags.get(row[0], ()), tx.now, away) for row in page],
        encode_cursor(*_key_of(page[-1], len(key))) if more else None,
    )


def _following(key: _Key, cursor: str, *, down: bool) -> sa.ColumnElement[bool]:
    """What comes after the last row seen. Raises BadCursorError."""
    values = decode_cursor(cursor, *(kind for _, kind, _ in key))
    at = sa.tuple_(*(sa.literal(v, kind) for v, (_, _, kind) in zip(values, key, strict=True)))
    here = sa.tuple_(*(part for part, _, _ in key))
    return here < at if down else here > at


def _key_of(row: Row, width: int) -> Sequence[Any]:
    return [getattr(row, f"key_{at}") for at in range(width)]


async def list_around(  # noqa: PLR0913 - a query's parts
    tx: Tx,
    workspace_id: str,
    *,
    live: bool,
    limit: int,
    after: str | None,
    before: str | None,
    known_as: str | None,
) -> Page[Device]:
    """One page by id, newest first, on either side of a device that need not be there any more."""
    chosen = SELECTED.where(_owned(workspace_id, live=live, by_key=known_as is not None))
    if known_as is not None and rules.is_id(known_as):
        chosen = chosen.where(devices.c.id == known_as, devices.c.reference.is_(None))
    elif known_as is not None:
        chosen = chosen.where(devices.c.reference == known_as)
    if before is not None:
        chosen = chosen.where(devices.c.id > before).order_by(devices.c.id)
    else:
        chosen = chosen.order_by(devices.c.id.desc())
    if after is not None:
        chosen = chosen.where(devices.c.id < after)
    rows = await tx.rows(chosen.limit(limit + 1))
    page = rows[:limit]
    furthest = page[-1].id if len(rows) > limit else None
    if before is not None:  # found from the device upwards; shown downwards like every page
        page = page[::-1]
    away = await absences(tx)
    its_tags = await tags_of(tx, [row.id for row in page]) if page else {}
    return Page([device_of(row, its_tags.get(row.id, ()), tx.now, away) for row in page], furthest)


async def statuses(tx: Tx, workspace_id: str, *, live: bool) -> dict[str, Status]:
    """Status of every device of a workspace, by id."""
    status = status_expression(tx.now, await absences(tx)).label("status")
    rows = await tx.rows(
        sa.select(presence.c.device_id, status).where(_owned_presence(workspace_id, live=live))
    )
    return {row.device_id: Status(row.status) for row in rows}


async def counts(tx: Tx, workspace_id: str, wanted: Filter, *, live: bool) -> dict[Status, int]:
    """Totals by status of what the filter leaves, its own status part left out."""
    totals = status_totals(tx.now, await absences(tx))
    of_record, by_key = await _of_record(tx, wanted)
    if of_record:
        totals = totals.join(devices, ITS_PRESENCE)
        totals = totals.where(_owned(workspace_id, live=live, by_key=by_key), *of_record)
    else:
        totals = totals.where(_owned_presence(workspace_id, live=live))
    found = (await tx.rows(totals))[0]
    return {
        Status.NEVER_SEEN: found.all - found.heard,
        Status.ONLINE: found.heard - found.late_or_worse,
        Status.LATE: found.late_or_worse - found.offline,
        Status.OFFLINE: found.offline,
    }


def cursor_at(device: Device, sort: Sort) -> str:
    """Return the cursor that ``list_devices`` goes on from behind a device."""
    name = sort.lstrip("-")
    if name == "name":
        return encode_cursor(device.name, device.id)
    if name == "last_heartbeat":
        last = device.presence.last_contact_at
        return encode_cursor(0 if last is None else to_ms(last), device.id)
    return encode_cursor(device.id)


def owned_ids(workspace_id: str, *, live: bool) -> sa.Select[str]:
    """Select the ids of a workspace's devices, for other stores to narrow theirs by."""
    return sa.select(presence.c.device_id).where(_owned_presence(workspace_id, live=live))


async def get_many(
    tx: Tx, workspace_id: str, device_ids: Sequence[str], *, live: bool
) -> dict[str, Device]:
    """Those of the devices that are there, by id."""
    if not device_ids:
        return {}
    away = await absences(tx)
    listed = tx.engine.listed("id")
    chosen = SELECTED.join(listed, listed.c.id == devices.c.id).where(
        _owned(workspace_id, live=live, by_key=True)
    )
    rows = await tx.rows(chosen, tx.engine.listed_value([(one,) for one in device_ids]))
    its_tags = await tags_of(tx, [row.id for row in rows]) if rows else {}
    return {row.id: device_of(row, its_tags.get(row.id, ()), tx.now, away) for row in rows}


def _amiss(
    now: datetime, away: Sequence[Absence], unheard_for: timedelta
) -> dict[str, sa.ColumnElement[bool]]:
    """What can be amiss with a device by its own record and presence, each as a condition."""
    heard = last_heartbeat.is_not(None)
    return {
        "offline": sa.and_(heard, has_status((Status.OFFLINE,), now, away)),
        "clone": devices.c.clone_suspected_at.is_not(None),
        "pending": devices.c.approval == str(Approval.PENDING),
        "late": sa.and_(heard, has_status((Status.LATE,), now, away)),
        "unheard": sa.and_(
            last_heartbeat.is_(None),
            devices.c.created_at < now - unheard_for,
            devices.c.approval == str(Approval.APPROVED),
        ),
    }


async def amiss_totals(
    tx: Tx, workspace_id: str, wanted: Filter, *, live: bool, unheard_for: timedelta
) -> dict[str, int]:
    """How many devices each of it is amiss with; ``any`` of how many something is."""
    of_record, by_key = await _of_record(tx, wanted)
    kinds = _amiss(tx.now, await absences(tx), unheard_for)
    counted = {"any": sa.or_(*kinds.values()), **kinds}
    row = await tx.row(
        sa.select(*(sa.func.count().filter(is_so).label(name) for name, is_so in counted.items()))
        .select_from(devices)
        .join(presence, ITS_PRESENCE)
        .where(_owned(workspace_id, live=live, by_key=by_key), *of_record)
    )
    return {name: getattr(row, name) for name in counted}


async def list_amiss(  # noqa: PLR0913 - a query's parts
    tx: Tx,
    workspace_id: str,
    wanted: Filter,
    *,
    live: bool,
    unheard_for: timedelta,
    ranks: Mapping[str, int],
    but: Sequence[str],
    at: tuple[int, str] | None,
    back: bool,
    limit: int,
) -> Sequence[Row]:
    """Those with something of ``ranks`` amiss, by rank and id, from a place on or back: rank, id.

    Of several things that are amiss the lowest rank holds. ``but`` are left out.
    """
    of_record, by_key = await _of_record(tx, wanted)
    kinds = _amiss(tx.now, await absences(tx), unheard_for)
    known = sorted(ranks.items(), key=itemgetter(1))
    rank = sa.case(*((kinds[name], at_) for name, at_ in known), else_=None)
    own = _owned(workspace_id, live=live, by_key=by_key)
    found = (
        sa.select(rank.label("rank"), devices.c.id)
        .join_from(devices, presence, ITS_PRESENCE)
        .where(own, *of_record, sa.or_(*(kinds[name] for name in ranks)))
        .subquery("amiss")
    )
    listed = tx.engine.listed("id")
    chosen = sa.select(found).where(found.c.id.not_in(sa.select(listed.c.id)))
    place = sa.tuple_(found.c.rank, found.c.id)
    if at is not None:
        there = sa.tuple_(sa.literal(at[0], sa.Integer), sa.literal(at[1], sa.Text))
        chosen = chosen.where(place < there if back else place > there)
    order = [part.desc() if back else part for part in (found.c.rank, found.c.id)]
    # An empty list has no width; no device has the empty text for its id.
    params = tx.engine.listed_value([(one,) for one in but or [""]])
    return await tx.rows(chosen.order_by(*order).limit(limit), params)


async def records_of(
    tx: Tx, workspace_id: str, wanted: Filter, device_ids: Sequence[str], *, live: bool
) -> Sequence[Row]:
    """What ``Amiss`` holds of these devices, as far as they fit the filter."""
    of_record, _ = await _of_record(tx, wanted)
    listed = tx.engine.listed("id")
    columns = ("clone_suspected_at", "approval", "created_at")
    chosen = (
        sa.select(
            devices.c.id,
            devices.c.name,
            status_expression(tx.now, await absences(tx)).label("status"),
            *(devices.c[name] for name in columns),
        )
        .join_from(devices, presence, ITS_PRESENCE)
        .join(listed, listed.c.id == devices.c.id)
        .where(_owned(workspace_id, live=live, by_key=True), *of_record)
    )
    return await tx.rows(chosen, tx.engine.listed_value([(one,) for one in device_ids]))


async def vocabulary(tx: Tx, workspace_id: str, *, live: bool, limit: int) -> Vocabulary:
    """Types and tags in use, the most used first."""
    count = sa.func.count().label("n")
    types = await tx.rows(
        sa.select(devices.c.type, count)
        .where(devices.c.workspace_id == workspace_id, devices.c.live == live)
        .group_by(devices.c.type)
        .order_by(count.desc(), devices.c.type)
        .limit(limit)
    )
    used = await tx.rows(
        sa.select(tags.c.tag, count)
        .join(devices, devices.c.id == tags.c.device_id)
        .where(devices.c.workspace_id == workspace_id, devices.c.live == live)
        .group_by(tags.c.tag)
        .order_by(count.desc(), tags.c.tag)
        .limit(limit)
    )
    return Vocabulary([(row.type, row.n) for row in types], [(row.tag, row.n) for row in used])


async def agent_versions(tx: Tx, workspace_id: str, *, live: bool) -> list[tuple[str | None, int]]:
    """Devices by what they told of their agent's version, the most first.

    The engines do not agree on how to look into JSON that is text; a fleet's facts are read sooner
    than that is worth a difference.
    """
    rows = await tx.rows(
        sa.select(devices.c.facts).where(
            devices.c.workspace_id == workspace_id, devices.c.live == live
        )
    )
    told = (row.facts.get("agent_version") for row in rows)
    return Counter(one if isinstance(one, str) and one else None for one in told).most_common()
