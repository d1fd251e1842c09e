"""What goes on until it is ended: log lines as they come, devices as they come and go."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from moorage import sdk
from moorage.cli.owner import output, watching
from moorage.cli.owner.outcomes import Exit, Refused
from moorage.cli.owner.session import connected, device_id
from moorage.cli.owner.text import time_text

T = TypeVar("T")

_LONGEST_PAUSE_S = 60.0
# A look at the newest page is cheap; lines that come late lie deeper and are looked for less often.
_WHOLE_LOOK_EVERY = 15


class Asking:
    """Asks again and again, and stays calm while the server is away."""

    def __init__(self, every_s: float, timeout_s: float | None = None) -> None:
        self._every_s = every_s
        self._deadline = None if timeout_s is None else time.monotonic() + timeout_s
        self._failures = 0

    def ask(self, call: Callable[[], T]) -> T | None:
        """Return the answer; None while there is none, said once on standard error.

        Raises:
            MoorageError: asking again would not help, such as a key that was revoked.

        """
        try:
            found = call()
        except (sdk.ConnectionFailed, sdk.ServerFailed, sdk.RateLimited) as error:
            if not self._failures:
                output.note(f"no answer, trying on: {error}")
            self._failures += 1
            return None
        if self._failures:
            output.note("the server answers again")
        self._failures = 0
        return found

    def pause(self) -> bool:
        """Wait until it is time to ask again; return False when the time is up."""
        wait = min(_LONGEST_PAUSE_S, self._every_s * 2.0 ** min(self._failures, 6))
        # Spread, so that many who lost the server together do not come back together.
        wait *= random.uniform(0.9, 1.1)  # noqa: S311 - no secret
        if self._deadline is not None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                return False
            wait = min(wait, left)
        time.sleep(wait)
        return True


@contextmanager
def ended_by_hand() -> Iterator[None]:
    """Take Ctrl-C as the way to end, not as a failure."""
    try:
        yield
    except KeyboardInterrupt:
        output.note("ended")


@dataclass
class Seen:
    """Which lines were printed. Equal lines are told apart by how many there are of them.

    ``late`` is how far behind the newest line another may still come; ``since`` only moves forward,
    so what is forgotten before it cannot come again.
    """

    late: timedelta
    since: datetime | None = None
    lines: Counter[sdk.LogLine] = field(default_factory=Counter)

    def has_all(self, lines: Sequence[sdk.LogLine]) -> bool:
        """Whether there is nothing new in them."""
        return not Counter(lines) - self.lines

    def fresh(self, newest_first: Sequence[sdk.LogLine]) -> list[sdk.LogLine]:
        """Return those not seen before, oldest first, and remember them.

        The lines must be the newest ones without a gap; how deep they reach does not matter. A line
        whose equals lie deeper in part is found by a later, deeper look, and never twice.
        """
        counted = Counter(newest_first)
        left = counted - self.lines
        found: list[sdk.LogLine] = []
        for line in newest_first:
            if left[line] > 0:
                left[line] -= 1
                found.append(line)
        self.lines |= counted
        return found[::-1]

    def forget(self) -> None:
        """Forget what lies so far back that nothing is asked for there any more."""
        newest = max((line.at for line in self.lines), default=None)
        if newest is None:
            return
        since = newest - self.late
        self.since = since if self.since is None else max(self.since, since)
        self.lines = Counter({k: n for k, n in self.lines.items() if k.at >= self.since})


def logs(
    profile: str | None,
    named: str,
    *,
    follow: bool,
    limit: int,
    every_s: float,
    late_s: int,
    since: datetime | None,
    until: datetime | None,
    as_json: bool,
    **filters: Any,
) -> None:
    """Print log lines, oldest first; with ``follow`` go on with those to come."""
    with connected(profile) as client, ended_by_hand():
        device = device_id(client, named)
        if not follow:
            listed = client.devices.logs(
                device, start_time=since, end_time=until, page_size=min(limit, 500), **filters
            )
            newest_first = list(islice(listed, limit))
            if as_json:
                output.emit(newest_first)
            else:
                _print(newest_first[::-1], as_json=False)
            return
        seen = Seen(timedelta(seconds=late_s), since)
        asking = Asking(every_s)
        _print(_begin(client, device, seen, filters, limit), as_json=as_json)
        turn = 0
        while asking.pause():
            turn += 1
            look = partial(
                _look, client, device, seen, filters, whole=turn % _WHOLE_LOOK_EVERY == 0
            )
            _print(asking.ask(look) or (), as_json=as_json)


def _begin(
    client: sdk.Moorage, device: str, seen: Seen, filters: Mapping[str, Any], limit: int
) -> list[sdk.LogLine]:
    """Read as deep as a late line may come, so that none of it is taken for new afterwards."""
    lines: list[sdk.LogLine] = []
    for page in client.devices.logs(device, start_time=seen.since, **filters).pages():
        lines += page.items
        if len(lines) >= limit and lines[-1].at < lines[0].at - seen.late:
            break
    seen.fresh(lines)
    seen.forget()
    return lines[:limit][::-1]


def _look(
    client: sdk.Moorage, device: str, seen: Seen, filters: Mapping[str, Any], *, whole: bool
) -> list[sdk.LogLine]:
    lines: list[sdk.LogLine] = []
    for page in client.devices.logs(device, start_time=seen.since, **filters).pages():
        lines += page.items
        if not whole and seen.has_all(page.items):
            break
    found = seen.fresh(lines)
    if whole:
        seen.forget()
    return found


def _print(lines: Sequence[sdk.LogLine], *, as_json: bool) -> None:
    for line in lines:
        if as_json:
            output.emit_line(line)
        else:
            at = line.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            output.say(f"{at} {line.severity:<7} {line.service}: {line.message}")


def watch(
    profile: str | None,
    named: Sequence[str],
    *,
    every_s: float,
    timeout_s: int | None,
    as_json: bool,
    **filters: Any,
) -> None:
    """Print each change of a device's status: of those named, or of all that the filters leave.

    The server's feed says when there is one to look at. Where there is no feed, and with a query,
    which only the server can answer, all are looked at again and again.
    """

    def began(known: Mapping[str, sdk.Device]) -> None:
        if not known and ids:
            raise Refused("there is no such device", Exit.NOT_FOUND)
        _summary(known)

    def changed(before: Mapping[str, sdk.Device], now: Mapping[str, sdk.Device]) -> None:
        for change in _changes(before, now):
            _print_change(change, as_json=as_json)

    with connected(profile) as client, ended_by_hand():
        ids = {device_id(client, one) for one in named}
        if filters.get("q") is None and watching.watch(
            profile, ids, filters, timeout_s, began=began, changed=changed
        ):
            return
        asking = Asking(every_s, timeout_s)

        def look() -> dict[str, sdk.Device]:
            listed = client.devices.iterate(**filters)
            # A few are asked for one by one, so that a watch of one does not list a fleet.
            chosen = map(_there, [client] * len(ids), sorted(ids)) if ids else listed
            return {one.id: one for one in chosen if one is not None}

        known = look()
        began(known)
        while asking.pause():
            now = asking.ask(look)
            if now is not None:
                changed(known, now)
                known = now


def _there(client: sdk.Moorage, device: str) -> sdk.Device | None:
    try:
        return client.devices.get(device)
    except sdk.NotFound:
        return None


def _summary(known: Mapping[str, sdk.Device]) -> None:
    counts = Counter(one.status for one in known.values())
    said = ", ".join(f"{n} {status}" for status, n in sorted(counts.items()))
    output.note(f"watching: {said or 'no device yet'}; Ctrl-C ends it")


def _changes(
    before: Mapping[str, sdk.Device], now: Mapping[str, sdk.Device]
) -> Iterator[dict[str, Any]]:
    at = datetime.now(UTC)
    for device in [*now.values(), *(one for one in before.values() if one.id not in now)]:
        old = before[device.id].status if device.id in before else None
        new = device.status if device.id in now else "retired"
        if old != new:
            reason = device.presence.reason if device.id in now else "it was deleted"
            yield {
                "at": at,
                "id": device.id,
                "name": device.name,
                "from": old,
                "to": new,
                "reason": reason,
            }


def _print_change(change: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.emit_line(change)
        return
    was = change["from"] or "new"
    output.say(
        f"{time_text(change['at'])} {change['name']} ({change['id']}): "
        f"{was} -> {change['to']}, {change['reason']}"
    )
