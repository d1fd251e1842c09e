"""What the page of a workspace's and its server's health reads."""

import os
from datetime import datetime, timedelta

from starlette.datastructures import QueryParams

from moorage import __version__
from moorage.console.contexts.workspace_health import Absence, Disk, Health, Server, Version
from moorage.console.showing import size, with_query
from moorage.core import devices, provisioning
from moorage.core.caller import Caller, Scope
from moorage.core.devices import Filter
from moorage.dialects.common import Services, StorageWatch
from moorage.kit.spans import spelled
from moorage.storage import Tx
from moorage.storage.alive import absences
from moorage.storage.growth import FEWEST_DAYS

SERVER = "/console/workspace/health/server"
_MOST_VERSIONS = 30
_MOST_ABSENCES = 5
_FULL_SOON_DAYS = 21


async def show(tx: Tx, caller: Caller, services: Services) -> Health:
    """Read the health of the fleet (``device:read``), and for owners of the server."""
    totals = await devices.counts(tx, caller, Filter())
    newest = provisioning.agent_zipapp().version
    told = await devices.agent_versions(tx, caller)
    is_owner = caller.may(Scope.WORKSPACE_ADMIN)
    return Health(
        totals=[(str(status), count) for status, count in totals.items()],
        versions=[Version(one, n, one == newest) for one, n in told[:_MOST_VERSIONS]],
        handed_out=newest,
        server=await server(tx, caller, services, QueryParams()) if is_owner else None,
    )


async def server(tx: Tx, caller: Caller, services: Services, before: QueryParams) -> Server:
    """Read the server's own health (``workspace:admin``): it is that of all its workspaces."""
    caller.require(Scope.WORKSPACE_ADMIN)
    ingest = services.ingest
    committed = ingest.committed_reports
    now_ms = int(services.clock.now().timestamp() * 1000)
    asked = {"of": os.getpid(), "was": committed, "at": now_ms}
    environments = services.environments
    broken = None if environments is None else environments.warning
    return Server(
        version=__version__,
        disk=None if services.watch is None else _disk(services.watch, full=ingest.room.full),
        queued=ingest.queued_reports,
        committed=committed,
        refused=ingest.refused_reports,
        refused_for_room=ingest.room.refused,
        rate=_rate(before, committed, now_ms),
        again=with_query(SERVER, asked),
        warnings=[one for one in (services.counters.warning,) if one],
        environments=broken or ("answers" if environments else "not set up"),
        environments_ok=broken is None,
        absences=await _absences(tx),
    )


def _rate(before: QueryParams, committed: int, now_ms: int) -> float | None:
    """Reports a second since this page was told last; another process's count says nothing."""
    of, was, at = (before.get(name, "") for name in ("of", "was", "at"))
    if of != str(os.getpid()) or not (was.isdecimal() and at.isdecimal() and len(was + at) < 40):  # noqa: PLR2004
        return None
    passed_s = (now_ms - int(at)) / 1000
    return (committed - int(was)) / passed_s if passed_s > 0 and committed >= int(was) else None


async def _absences(tx: Tx) -> list[Absence]:
    found = [one for one in await absences(tx) if one.began_at < tx.now]
    return [
        Absence(one.began_at, one.ended_at, _length(one.began_at, min(one.ended_at, tx.now)))
        for one in reversed(found[-_MOST_ABSENCES:])
    ]


def _length(began_at: datetime, ended_at: datetime) -> str:
    return spelled(max(ended_at - began_at, timedelta()))


def _disk(watch: StorageWatch, *, full: bool) -> Disk | None:
    if watch.size is None:
        return None
    most = watch.limits.most_bytes(watch.size)
    state, words = _outlook(watch, most, full=full)
    per_day = watch.forecast.bytes_per_day
    return Disk(
        state=state,
        words=words,
        used_bytes=watch.size.used_bytes,
        most_bytes=most,
        free_bytes=watch.size.free_bytes,
        growth=None
        if per_day is None
        else f"{'-' if per_day < 0 else ''}{size(abs(per_day))} a day",
    )


def _outlook(watch: StorageWatch, most: int | None, *, full: bool) -> tuple[str, str]:
    ahead = watch.forecast
    if full:
        return "full", (
            "Full: telemetry and log lines are refused and wait on the devices. Make room on the "
            "disk, keep rows for fewer days, or raise storage.budget_bytes."
        )
    if ahead.bytes_per_day is None:
        return "unknown", (
            f"How it grows is told after {FEWEST_DAYS} days; {ahead.days_measured} measured so far."
        )
    if ahead.full_in_days is not None:
        days = int(ahead.full_in_days)
        told = f"Full in {days:,} {'day' if days == 1 else 'days'} if it goes on so."
        if ahead.full_in_days < _FULL_SOON_DAYS:
            more = " Make room on the disk, or keep rows for fewer days (Config)."
            return "soon", told + more
        return "ok", told
    if most is None:
        return "ok", "Nothing limits it: set storage.budget_bytes to be told when it is full."
    return "ok", "It is not going to be full in sight."
