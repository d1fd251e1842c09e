"""Statements that list and count devices."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from moorage.core.devices import rules
from moorage.core.devices.model import Device, Filter, Sort, Status
from moorage.core.devices.store import all_tags, tags_of
from moorage.core.devices.tables import (
    SELECTED,
    device_of,
    devices,
    presence,
    status_expression,
    tags,
)
from moorage.kit.pages import Page, decode_cursor, encode_cursor
from moorage.storage import Row, Tx, contains_text
from moorage.storage.alive import absences

_last = sa.func.coalesce(sa.type_coerce(presence.c.last_heartbeat_at, sa.BigInteger), 0)

# Each order is by these columns and then by id, which makes it total.
_ORDERS: dict[str, tuple[sa.ColumnElement[Any], type, Any]] = {
    "name": (devices.c.name, str, sa.Text),
    "last_heartbeat": (_last, int, sa.BigInteger),
}


def _conditions(workspace_id: str, wanted: Filter, *, live: bool) -> list[sa.ColumnElement[bool]]:
    chosen: list[sa.ColumnElement[bool]] = [
        devices.c.workspace_id == workspace_id,
        devices.c.live == live,
    ]
    if wanted.type is not None:
        chosen.append(devices.c.type == wanted.type)
    if wanted.approval is not None:
        chosen.append(devices.c.approval == str(wanted.approval))
    chosen.extend(
        sa.exists().where(tags.c.device_id == devices.c.id, tags.c.tag == tag)
        for tag in wanted.tags
    )
    if wanted.text:
        columns = ("name", "id", "hostname", "external_id", "reference")
        chosen.append(sa.or_(*(contains_text(devices.c[name], wanted.text) for name in columns)))
    return chosen


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
    chosen = SELECTED.where(*_conditions(workspace_id, wanted, live=live))
    if wanted.statuses:
        chosen = chosen.where(status_expression(tx.now, away).in_(sorted(wanted.statuses)))
    name, down = sort.lstrip("-"), sort.startswith("-")
    column, kind, sql_type = _ORDERS.get(name, (None, str, sa.Text))
    key = [devices.c.id] if column is None else [column, devices.c.id]
    if cursor is not None:
        kinds = [str] if column is None else [kind, str]
        values = decode_cursor(cursor, *kinds)
        types = [sa.Text] if column is None else [sql_type, sa.Text]
        at = sa.tuple_(*(sa.literal(v, t) for v, t in zip(values, types, strict=True)))
        chosen = chosen.where(sa.tuple_(*key) < at if down else sa.tuple_(*key) > at)
    chosen = chosen.order_by(*(part.desc() if down else part for part in key))
    if limit is not None:
        chosen = chosen.limit(limit + 1).offset(offset)
    sort_key = [part.label(f"key_{at}") for at, part in enumerate(key)]
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
    chosen = SELECTED.where(devices.c.workspace_id == workspace_id, devices.c.live == live)
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
        sa.select(devices.c.id, status)
        .join(presence, presence.c.device_id == devices.c.id)
        .where(devices.c.workspace_id == workspace_id, devices.c.live == live)
    )
    return {row.id: Status(row.status) for row in rows}


async def counts(tx: Tx, workspace_id: str, wanted: Filter, *, live: bool) -> dict[Status, int]:
    """Totals by status of what the filter leaves, its own status part left out."""
    status = status_expression(tx.now, await absences(tx)).label("status")
    rows = await tx.rows(
        sa.select(status, sa.func.count().label("n"))
        .select_from(devices)
        .join(presence, presence.c.device_id == devices.c.id)
        .where(*_conditions(workspace_id, wanted, live=live))
        .group_by(sa.literal_column("1"))
    )
    found = {Status(row.status): row.n for row in rows}
    return {one: found.get(one, 0) for one in Status}
