"""What the tab Logs of a device reads."""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlencode

from moorage.console.contexts.device_action import Spelled
from moorage.console.contexts.device_logs import Chip, GapShown, LineShown, LinesShown, Logs, Piece
from moorage.console.queries.device import frame
from moorage.core import devices, events, logs
from moorage.core.caller import Caller, DeviceRef
from moorage.core.errors import invalid
from moorage.core.events import Event
from moorage.core.logs import LogLine, Placed, Severity, Stretch, Wanted
from moorage.core.timeline import Window
from moorage.kit.clock import rfc3339, to_ms
from moorage.kit.ids import row_id_at
from moorage.kit.spans import spelled
from moorage.storage import Tx

_PAGE = 200
_BESIDE = 100
_AT_ONCE = 500
_MOST_GAPS = 50
_MOST_CHIPS = 40
_LONGEST_TEXT = 200
# A message is cut there until it is opened.
_HEAD = 600
_LATE = timedelta(minutes=2)
# Another server may store a line with a slightly older id a moment after we looked.
_LOOK_BACK = timedelta(seconds=10)
_DROPPED = "reports.dropped"
# How the agent tells in the log itself that a service said too much at once.
_TOLD_LOST = re.compile(r"\d+ lines dropped: too many at once")

SPANS = {
    "": "Any time",
    "15m": "Last 15 minutes",
    "1h": "Last hour",
    "24h": "Last 24 hours",
    "7d": "Last 7 days",
    "between": "Between two times",
}
_LENGTHS = {
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
}


@dataclass(frozen=True)
class Asked:
    """What an address asks for, as texts. ``start`` and ``end`` are in UTC where they say none."""

    services: Sequence[str] = ()
    severities: Sequence[str] = ()
    text: str = ""
    span: str = ""
    start: str = ""
    end: str = ""

    @property
    def query(self) -> list[tuple[str, str]]:
        """The parts that are given, as they stand in an address."""
        lists = [("service", one) for one in self.services]
        lists += [("severity", one) for one in self.severities]
        single = {"q": self.text, "span": self.span, "from": self.start, "to": self.end}
        return lists + [(name, value) for name, value in single.items() if value]


class _Tab(NamedTuple):
    """The tab of a device, narrowed down."""

    path: str
    asked: Asked

    def address(self, part: str = "", **places: str) -> str:
        query = urlencode([*self.asked.query, *places.items()])
        return f"{self.path}{part}?{query}" if query else self.path + part


async def show(tx: Tx, caller: Caller, device_id: str, asked: Asked, *, line: str | None) -> Logs:
    """Read the last lines, or with ``line``, a line's cursor, those around it (``device:read``).

    Raises:
        DomainError: ``not_found``; ``invalid`` for a filter. BadCursorError for the line.

    """
    head = await frame(tx, caller, device_id)
    device = (await devices.get(tx, caller, device_id)).ref
    tab, wanted = _Tab(f"{head.path}/logs", asked), _wanted(asked, tx.now)
    if line is None:
        found = await logs.walk(tx, caller, device, wanted, cursor=None, forward=False, limit=_PAGE)
    else:
        found = await logs.around(tx, caller, device, wanted, line, limit=_BESIDE)
    lines = await _shown(tx, caller, device, tab, found, mark=line)
    seen = await logs.services_of(tx, caller, device)
    return Logs(
        frame=head,
        path=tab.address(),
        lines=lines,
        services=[*_chips(seen, asked.services)],
        severities=[Chip(str(one), str(one) in asked.severities) for one in Severity],
        text=asked.text,
        spans=[*SPANS.items()],
        span=asked.span,
        start=asked.start,
        end=asked.end,
        filtered=bool(asked.query),
        at_line=line is not None,
        missing=line is not None and all(one.cursor != line for one in found.lines),
        spelled=_spelled(device_id, asked, wanted.window),
    )


async def page(  # noqa: PLR0913 - a query's parts
    tx: Tx, caller: Caller, device_id: str, asked: Asked, *, cursor: str, forward: bool
) -> LinesShown:
    """Read the lines before a line, or after it (``device:read``)."""
    device = (await devices.get(tx, caller, device_id)).ref
    wanted = _wanted(asked, tx.now)
    found = await logs.walk(tx, caller, device, wanted, cursor=cursor, forward=forward, limit=_PAGE)
    tab = _Tab(f"/console/devices/{device_id}/logs", asked)
    return await _shown(tx, caller, device, tab, found, mark=None)


async def new(  # noqa: PLR0913 - a query's parts
    tx: Tx, caller: Caller, device_id: str, asked: Asked, *, since: int, again: bool
) -> LinesShown:
    """Read what was stored since a row id, and a little from before it (``device:read``).

    ``again``: the page before this one was full, so go on exactly there.
    """
    device = (await devices.get(tx, caller, device_id)).ref
    now = row_id_at(tx.now)
    after = since if again else max(0, min(since, row_id_at(tx.now - _LOOK_BACK)))
    found = await logs.follow(
        tx, caller, device, after, limit=_AT_ONCE, wanted=_wanted(asked, tx.now)
    )
    tab = _Tab(f"/console/devices/{device_id}/logs", asked)
    full = len(found) == _AT_ONCE
    reached = max([since, *(row_id for row_id, _ in found)]) if full or found else max(since, now)
    window = Window(tx.now - 2 * _LOOK_BACK)
    gaps = await _gaps(tx, caller, device, window)
    rows = [_line(tab, Placed(row_id, line), mark=None) for row_id, line in found]
    following = tab.address("/new", since=str(reached), **({"again": "yes"} if full else {}))
    return LinesShown(_in_order([*rows, *gaps]), None, None, following, again=full)


def _in_order(rows: Sequence[LineShown | GapShown]) -> list[LineShown | GapShown]:
    """Sort rows; of lines that came equally late, one after the other, the first says so."""
    shown: list[LineShown | GapShown] = []
    before = None
    for row in sorted(rows, key=lambda one: one.key):
        late = row.late if isinstance(row, LineShown) else None
        told = late is not None and late == before
        shown.append(replace(row, late=None) if isinstance(row, LineShown) and told else row)
        before = late
    return shown


def _wanted(asked: Asked, now: datetime) -> Wanted:
    for one in asked.severities:
        if one not in [*Severity]:
            raise invalid("/severity", f"a severity is one of {', '.join(Severity)}")
    if len(asked.text) > _LONGEST_TEXT:
        raise invalid("/q", f"what to search for has at most {_LONGEST_TEXT} characters")
    return Wanted(_window(asked, now), asked.services, asked.severities, asked.text)


def _window(asked: Asked, now: datetime) -> Window:
    if asked.span not in SPANS:
        raise invalid("/span", f"a span of time is one of {', '.join(one for one in SPANS if one)}")
    if asked.span in _LENGTHS:
        return Window(now - _LENGTHS[asked.span])
    if asked.span == "between":
        return Window(_time("/from", asked.start), _time("/to", asked.end))
    return Window()


def _time(pointer: str, text: str) -> datetime | None:
    if not text:
        return None
    try:
        told = datetime.fromisoformat(text)
        return (told if told.tzinfo else told.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise invalid(pointer, "a time reads 2026-04-28T12:00, in UTC") from None


def _chips(seen: Sequence[str], chosen: Sequence[str]) -> Iterator[Chip]:
    """Offer what wrote lines lately, and what was chosen."""
    for name in sorted({*seen[:_MOST_CHIPS], *chosen}):
        yield Chip(name, name in chosen)


async def _shown(  # noqa: PLR0913 - the parts of a page
    tx: Tx, caller: Caller, device: DeviceRef, tab: _Tab, found: Stretch, *, mark: str | None
) -> LinesShown:
    """Put gaps where they belong, and say where it goes on."""
    rows: list[LineShown | GapShown] = [_line(tab, one, mark=mark) for one in found.lines]
    at_end = found.newer is None
    # Up to the end of the log gaps of today belong to it; before its first line they do not.
    first = found.lines[-1].line.at if found.lines else None
    last = None if at_end or not found.lines else found.lines[0].line.at
    if first is not None:
        rows += await _gaps(tx, caller, device, Window(first, last))
    ended = tab.asked.span == "between" and bool(tab.asked.end)
    follow = tab.address("/new", since=str(row_id_at(tx.now))) if at_end and not ended else None
    return LinesShown(
        _in_order(rows),
        older=found.older and tab.address("/lines", before=found.older),
        newer=found.newer and tab.address("/lines", after=found.newer),
        follow=follow,
    )


async def _gaps(tx: Tx, caller: Caller, device: DeviceRef, window: Window) -> list[GapShown]:
    found, _ = await events.walk_events(
        tx, caller, device, window, event=_DROPPED, cursor=None, forward=False, limit=_MOST_GAPS
    )
    return [gap for one in found if (gap := _gap(one)) is not None]


def _gap(event: Event) -> GapShown | None:
    lost = event.metadata.get("logs")
    if not isinstance(lost, int):
        return None
    text = f"{lost:,} log line{'' if lost == 1 else 's'} lost before this: the device had no room"
    return GapShown(f"{to_ms(event.at):015d}-{event.id}", event.at, text)


def _line(tab: _Tab, placed: Placed, *, mark: str | None) -> LineShown:
    line = placed.line
    return LineShown(
        key=f"{to_ms(line.at):015d}-{placed.id:019d}",
        at=line.at,
        service=line.service,
        severity=line.severity,
        head=pieces(line.message[:_HEAD], tab.asked.text),
        rest=pieces(line.message[_HEAD:], tab.asked.text),
        link=tab.address(line=placed.cursor),
        cursor=placed.cursor,
        marked=placed.cursor == mark,
        late=_late(line),
        lost=_TOLD_LOST.fullmatch(line.message) is not None,
    )


def _late(line: LogLine) -> str | None:
    behind = line.received_at - line.at
    return f"came {spelled(behind)} later" if behind >= _LATE else None


def pieces(text: str, sought: str) -> list[Piece]:
    """Split a text into what was sought, whatever the case, and what stands between."""
    if not sought:
        return [Piece(text, hit=False)] if text else []
    parts = re.split(f"({re.escape(sought)})", text, flags=re.IGNORECASE)
    # Every second part is a hit.
    return [Piece(part, hit=at % 2 == 1) for at, part in enumerate(parts) if part]


def _spelled(device_id: str, asked: Asked, window: Window) -> Spelled:
    """Spell the same filters; the API searches no text."""
    times = {"start_time": window.start, "end_time": window.end}
    given = {name: rfc3339(at) for name, at in times.items() if at is not None}
    lists = {"service": asked.services, "severity": asked.severities}
    joined = {name: ",".join(chosen) for name, chosen in lists.items() if chosen}
    query = urlencode({**joined, **given})
    path = f"/v1/devices/{device_id}/logs"
    words = [f"device logs {device_id} --follow"]
    words += [f"--{name} {shlex.quote(one)}" for name, chosen in lists.items() for one in chosen]
    options = {"start_time": "--since", "end_time": "--until"}
    words += [f"{options[name]} {at}" for name, at in given.items()]
    arguments = [repr(device_id), *(f"{name}={[*one]!r}" for name, one in lists.items() if one)]
    return Spelled(
        "GET",
        f"{path}?{query}" if query else path,
        cli=" ".join(words),
        sdk=f"for line in fleet.devices.logs({', '.join(arguments)}):\n        print(line)",
    )
