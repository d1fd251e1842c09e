"""What the page of a workspace's audit reads."""

import json
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime

from starlette.datastructures import QueryParams

from moorage.console.contexts.workspace_audit import Asked, Audit, Change
from moorage.console.showing import with_query
from moorage.core import accounts, audit
from moorage.core.audit import Entry
from moorage.core.caller import Caller, Scope
from moorage.core.errors import invalid
from moorage.kit.clock import rfc3339
from moorage.kit.pages import Page
from moorage.storage import Tx

PAGE = "/console/workspace/audit"
_ROWS = 50
_LONGEST = 256


def asked(query: QueryParams) -> Asked:
    """Read the filter from an address. Raises DomainError ``invalid`` for a time that is none."""
    return Asked(
        actor=query.get("actor", "").strip()[:_LONGEST],
        action=query.get("action", "").strip()[:_LONGEST],
        entity=query.get("entity", "").strip()[:_LONGEST],
        since=query.get("since", "").strip(),
        until=query.get("until", "").strip(),
        after=query.get("after") or None,
        start=_time("since", query.get("since", "").strip()),
        end=_time("until", query.get("until", "").strip()),
    )


def _time(name: str, text: str) -> datetime | None:
    """Read a time; one without a zone is UTC, as browsers' fields have none."""
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise invalid(f"/{name}", "a time looks like 2026-04-28T12:00, in UTC") from None


async def show(tx: Tx, caller: Caller, wanted: Asked) -> Audit:
    """Read a page of changes, newest first (``audit:read``)."""
    page = await entries(tx, caller, wanted, cursor=wanted.after, limit=_ROWS)
    onwards = {**wanted.typed, "after": page.next_cursor}
    names = await _names(tx, caller)
    return Audit(
        asked=wanted,
        rows=[_row(entry, names) for entry in page.items],
        first=with_query(PAGE, wanted.typed) if wanted.after else None,
        next=with_query(PAGE, onwards) if page.next_cursor else None,
        export=with_query(f"{PAGE}/export.csv", wanted.typed),
        query=with_query("/v1/audit", _api_query(wanted)),
        cli=shlex.join(["audit", *_cli_options(wanted)]),
        sdk=_sdk_call(wanted),
    )


async def entries(
    tx: Tx, caller: Caller, wanted: Asked, *, cursor: str | None, limit: int
) -> Page[Entry]:
    """Read the entries of a filter (``audit:read``)."""
    return await audit.list_entries(
        tx,
        caller,
        actor=wanted.actor or None,
        action=wanted.action or None,
        entity_id=wanted.entity or None,
        start=wanted.start,
        end=wanted.end,
        cursor=cursor,
        limit=limit,
    )


async def _names(tx: Tx, caller: Caller) -> Mapping[str, str]:
    """Return the members' names by actor, for those who may know them all."""
    if not caller.may(Scope.WORKSPACE_ADMIN):
        return {}
    members = await accounts.list_members(tx, caller)
    return {one.account.actor: one.account.name for one in members}


def _row(entry: Entry, names: Mapping[str, str]) -> Change:
    is_device = entry.entity_id.startswith("dev_")
    details = json.dumps(entry.details, ensure_ascii=False) if entry.details else ""
    return Change(
        at=entry.at,
        actor=entry.actor,
        who=names.get(entry.actor),
        action=entry.action,
        entity=entry.entity_id,
        device=f"/console/devices/{entry.entity_id}" if is_device else None,
        details=details,
    )


def cells(entry: Entry) -> tuple[str, ...]:
    """Return an entry as a line of a table."""
    details = json.dumps(entry.details, ensure_ascii=False) if entry.details else ""
    return (rfc3339(entry.at), entry.actor, entry.action, entry.entity_id, details)


HEAD = ("at", "actor", "action", "entity_id", "details")


def _times(wanted: Asked) -> dict[str, str]:
    both = {"start_time": wanted.start, "end_time": wanted.end}
    return {name: rfc3339(at) for name, at in both.items() if at is not None}


def _api_query(wanted: Asked) -> dict[str, str]:
    told = {"actor": wanted.actor, "action": wanted.action, "entity_id": wanted.entity}
    return {**told, **_times(wanted)}


def _cli_options(wanted: Asked) -> list[str]:
    times = _times(wanted)
    options = {
        "--actor": wanted.actor,
        "--action": wanted.action,
        "--entity": wanted.entity,
        "--since": times.get("start_time", ""),
        "--until": times.get("end_time", ""),
    }
    return [part for name, value in options.items() if value for part in (name, value)]


def _sdk_call(wanted: Asked) -> str:
    told = [(name, value) for name, value in _api_query(wanted).items() if value]
    parts = [
        f"{name}=datetime.fromisoformat({value!r})"
        if name.endswith("_time")
        else f"{name}={value!r}"
        for name, value in told
    ]
    imported = "from datetime import datetime\n\n    " if _times(wanted) else ""
    return f"{imported}print(list(fleet.audit.iterate({', '.join(parts)})))"
