"""What the fleet page reads: totals, a page of devices, and which of them need somebody."""

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from typing import TypeVar

from starlette.datastructures import QueryParams

from moorage.console.contexts.fleet import (
    ALL,
    ATTENTION,
    Asked,
    Card,
    Chip,
    Column,
    Filters,
    Fleet,
    Row,
    Rows,
)
from moorage.console.queries.needs import words_of
from moorage.core import attention, devices
from moorage.core.attention import Cause, Need, Survey
from moorage.core.caller import Caller, Scope
from moorage.core.devices import Approval, Device, Filter, Sort, Status
from moorage.core.errors import DomainError, Kind
from moorage.storage import Tx

T = TypeVar("T", bound=StrEnum)

PAGE = 50
MOST_ROWS = 200
_LONGEST_TEXT = 256
_MOST_TAGS = 16
# Key and title of each column beside the name; those of the first view first.
COLUMNS = {
    "status": "Status",
    "type": "Type",
    "tags": "Tags",
    "host": "Host",
    "seen": "Last report",
    "agent": "Agent",
    "os": "System",
    "reference": "Reference",
    "approval": "Approval",
    "created": "Made",
    "id": "Id",
}
_AT_FIRST = ("status", "type", "tags", "host", "seen")
_SORTS = {
    "name": (Sort.NAME, Sort.NAME_DOWN),
    "seen": (Sort.LAST_HEARTBEAT_DOWN, Sort.LAST_HEARTBEAT),
    "created": (Sort.CREATED_AT_DOWN, Sort.CREATED_AT),
}
CAUSES = {
    Cause.OFFLINE: "Offline",
    Cause.CLONE_SUSPECTED: "Copy suspected",
    Cause.CONFIG_FAILED: "Config failed",
    Cause.STREAM_FAILED: "Stream failed",
    Cause.SERVICE_FAILED: "Service failed",
    Cause.PENDING_APPROVAL: "Waits for approval",
    Cause.LATE: "Late",
    Cause.CONFIG_BEHIND: "Config behind",
    Cause.NEVER_SEEN: "Never seen",
}


def asked(query: QueryParams) -> Asked:
    """Read the state from an address. Raises DomainError ``invalid`` for a word there is not."""
    wanted = Filter(
        frozenset(_one_of(Status, "status", one) for one in query.getlist("status") if one),
        query.get("type") or None,
        tuple(one for one in query.getlist("tag") if one)[:_MOST_TAGS],
        query.get("q", "").strip()[:_LONGEST_TEXT] or None,
        _one_of(Approval, "approval", query["approval"]) if query.get("approval") else None,
    )
    show = query.get("show") or None
    if show not in (None, ATTENTION, ALL):
        raise _unknown("show", show)
    columns = [part for one in query.getlist("columns") for part in one.split(",") if part]
    return Asked(
        wanted=wanted,
        show=show,
        cause=_one_of(Cause, "cause", query["cause"]) if query.get("cause") else None,
        sort=_one_of(Sort, "sort", query["sort"]) if query.get("sort") else Sort.CREATED_AT_DOWN,
        after=query.get("after") or None,
        before=None if query.get("after") else query.get("before") or None,
        columns=tuple(one for one in COLUMNS if one in columns),
    )


def _one_of(kind: type[T], name: str, text: str) -> T:
    try:
        return kind(text)
    except ValueError:
        raise _unknown(name, text) from None


def _unknown(name: str, text: str) -> DomainError:
    return DomainError(Kind.INVALID, "invalid", f"{name} in this address is unknown: {text[:40]}")


async def show(tx: Tx, caller: Caller, state: Asked) -> Fleet:
    """Read the page. Left to us, it shows who needs somebody, or all when nobody does.

    Who looks for a text looks among all.
    """
    survey = await attention.survey(tx, caller, state.wanted)
    counts = await devices.counts(tx, caller, state.wanted)
    total = sum(counts.values())
    is_attention = state.show == ATTENTION or (
        state.show is None
        and survey.total > 0
        and not state.wanted.statuses
        and not state.wanted.text
    )
    # From here on it is said: what is saved, exported or changed is what is shown.
    state = replace(state, show=ATTENTION if is_attention else ALL)
    if is_attention:
        found, before, after = await _needing(tx, caller, state, survey)
        matching = needing(survey, state.cause)
    else:
        found, before, after = await _page(tx, caller, state, survey)
        statuses = state.wanted.statuses or counts.keys()
        matching = sum(counts[one] for one in statuses)
    return Fleet(
        table=Rows(found, columns_of(state, sortable=not is_attention), tx.now),
        cards=_cards(state, survey, counts, is_attention=is_attention),
        causes=_causes(state, survey) if is_attention else (),
        chips=_chips(state),
        choices=[(key, title, key in _shown(state)) for key, title in COLUMNS.items()],
        query=state.query(),
        previous=before,
        next=after,
        attention=is_attention,
        matching=matching,
        total=total,
        may_change=caller.may(Scope.DEVICE_UPDATE),
        text=state.wanted.text or "",
    )


def needing(survey: Survey, cause: Cause | None) -> int:
    """Return how many need somebody for a reason, or for any."""
    return survey.total if cause is None else survey.counts.get(cause, 0)


async def rows_again(tx: Tx, caller: Caller, state: Asked, device_ids: Sequence[str]) -> Rows:
    """Read rows that are shown once more; a device that is gone is left out."""
    found = await devices.get_many(tx, caller, device_ids[:MOST_ROWS])
    survey = await attention.survey(tx, caller, Filter())
    needs = await attention.needs_of(tx, caller, list(found), survey.flags)
    rows = [row_of(one, needs.get(one.id)) for one in found.values()]
    return Rows(rows, columns_of(state), tx.now)


async def exported(
    tx: Tx, caller: Caller, state: Asked, cursor: str | None, limit: int
) -> tuple[list[Device], str | None]:
    """Read devices of a state in the order they were made, or those that need somebody."""
    if state.show != ATTENTION:
        page = await devices.list_devices(
            tx, caller, state.wanted, sort=Sort.CREATED_AT, cursor=cursor, limit=limit
        )
        return list(page.items), page.next_cursor
    survey = await attention.survey(tx, caller, state.wanted)
    needs, more = await attention.list_needs(
        tx, caller, state.wanted, survey, cause=state.cause, after=cursor, limit=limit
    )
    found = await devices.get_many(tx, caller, [need.device_id for need in needs])
    there = [found[need.device_id] for need in needs if need.device_id in found]
    return there, attention.cursor_at(needs[-1], state.cause) if more else None


async def filters(tx: Tx, caller: Caller, state: Asked) -> Filters:
    """Read what there is to filter by."""
    words = await devices.vocabulary(tx, caller)
    chosen = list(state.wanted.tags)
    return Filters(
        [(name, count, state.query(type=name)) for name, count in words.types],
        [
            (name, count, state.query(tag=[*chosen, name]))
            for name, count in words.tags
            if name not in chosen
        ],
        [(str(one), state.query(approval=str(one))) for one in Approval],
    )


# --- pages


async def _page(
    tx: Tx, caller: Caller, state: Asked, survey: Survey
) -> tuple[list[Row], dict[str, object] | None, dict[str, object] | None]:
    """Return rows, and the states of the page before and after."""
    sort = _turned(state.sort) if state.before else state.sort
    page = await devices.list_devices(
        tx, caller, state.wanted, sort=sort, cursor=state.before or state.after, limit=PAGE
    )
    found = list(page.items)
    more = page.next_cursor is not None
    if state.before:
        found.reverse()
    needs = await attention.needs_of(tx, caller, [one.id for one in found], survey.flags)
    rows = [row_of(one, needs.get(one.id)) for one in found]
    if not found:
        return rows, None, None
    before = state.query(before=devices.cursor_at(found[0], state.sort))
    after = state.query(after=devices.cursor_at(found[-1], state.sort))
    if state.before:
        return rows, before if more else None, after
    return rows, before if state.after else None, after if more else None


def _turned(sort: Sort) -> Sort:
    return Sort(sort.removeprefix("-") if sort.startswith("-") else f"-{sort}")


async def _needing(
    tx: Tx, caller: Caller, state: Asked, survey: Survey
) -> tuple[list[Row], dict[str, object] | None, dict[str, object] | None]:
    """Return a page of those that need somebody, the most pressing first."""
    needs, more = await attention.list_needs(
        tx,
        caller,
        state.wanted,
        survey,
        cause=state.cause,
        after=state.after,
        before=state.before,
        limit=PAGE,
    )
    found = await devices.get_many(tx, caller, [need.device_id for need in needs])
    rows = [row_of(found[one.device_id], one) for one in needs if one.device_id in found]
    if not needs:
        return rows, None, None
    before = state.query(before=attention.cursor_at(needs[0], state.cause))
    after = state.query(after=attention.cursor_at(needs[-1], state.cause))
    if state.before:
        return rows, before if more else None, after
    return rows, before if state.after else None, after if more else None


# --- what is shown


def row_of(device: Device, need: Need | None) -> Row:
    """Return what is shown of a device."""
    facts = device.facts

    def fact(name: str) -> str:
        value = facts.get(name)
        return "" if value is None else str(value)

    return Row(
        id=device.id,
        name=device.name,
        type=device.type,
        status=str(device.presence.status),
        reason=device.presence.reason,
        why=() if need is None else words_of(need, device),
        tags=device.tags,
        hostname=fact("hostname"),
        reference=device.reference or "",
        agent=fact("agent_version"),
        os=f"{fact('platform')} {fact('platform_release')}".strip(),
        approval=str(device.approval),
        last_contact_at=device.presence.last_contact_at,
        created_at=device.created_at,
    )


def _shown(state: Asked) -> Sequence[str]:
    return state.columns or _AT_FIRST


def columns_of(state: Asked, *, sortable: bool = True) -> list[Column]:
    """Return the columns of a state, the name first."""
    shown = [("name", "Device"), *((key, COLUMNS[key]) for key in _shown(state))]
    found = []
    for key, title in shown:
        first, second = _SORTS.get(key, (None, None))
        if first is None or second is None or not sortable:
            found.append(Column(key, title, None, None))
            continue
        to = second if state.sort is first else first
        is_sorted = state.sort in (first, second)
        down = "descending" if state.sort.startswith("-") else "ascending"
        query = state.query(sort=str(to), show=ALL)
        found.append(Column(key, title, query, down if is_sorted else None))
    return found


def _cards(
    state: Asked, survey: Survey, counts: dict[Status, int], *, is_attention: bool
) -> list[Card]:
    bare = replace(state, cause=None)
    chosen = state.wanted.statuses
    cards = [
        Card(
            ATTENTION,
            "Need attention",
            survey.total,
            bare.query(show=ATTENTION, status=None),
            is_attention,
        ),
        Card(
            ALL,
            "All",
            sum(counts.values()),
            bare.query(show=ALL, status=None),
            not is_attention and not chosen,
        ),
    ]
    for status in (Status.ONLINE, Status.LATE, Status.OFFLINE, Status.NEVER_SEEN):
        query = bare.query(show=ALL, status=str(status))
        active = not is_attention and status in chosen
        title = str(status).replace("_", " ").capitalize()
        cards.append(Card(str(status), title, counts[status], query, active))
    return cards


def _causes(state: Asked, survey: Survey) -> list[Card]:
    found = []
    for cause, count in survey.counts.items():
        active = cause is state.cause
        query = state.query(show=ATTENTION, cause=None if active else str(cause))
        found.append(Card(str(cause), CAUSES[cause], count, query, active))
    return found


def _chips(state: Asked) -> list[Chip]:
    wanted = state.wanted
    chips = []
    for status in sorted(wanted.statuses):
        left = [str(one) for one in sorted(wanted.statuses) if one is not status]
        label = f"status: {status.replace('_', ' ')}"
        chips.append(Chip(label, state.query(status=left, show=ALL)))
    if wanted.type:
        chips.append(Chip(f"type: {wanted.type}", state.query(type=None)))
    for tag in wanted.tags:
        left = [one for one in wanted.tags if one != tag]
        chips.append(Chip(f"tag: {tag}", state.query(tag=left)))
    if wanted.approval:
        chips.append(Chip(f"approval: {wanted.approval}", state.query(approval=None)))
    if wanted.text:
        chips.append(Chip(f"text: {wanted.text}", state.query(q=None)))
    return chips
