"""``device add --wait``: make a device, then tell what the server sees until it is there."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from moorage import sdk
from moorage.cli.owner import output
from moorage.cli.owner.devices import made_with_line, show_made
from moorage.cli.owner.following import Asking
from moorage.cli.owner.outcomes import Refused
from moorage.cli.owner.session import connected
from moorage.cli.owner.text import time_text


def add(
    profile: str | None,
    name: str,
    *,
    timeout_s: int,
    every_s: float,
    as_json: bool,
    **fields: Any,
) -> None:
    """Make a device, print the line to paste, and wait until it is online.

    As JSON it prints one object a line: ``made``, each ``attempt``, each ``status``.

    Raises:
        Refused: it was not online in time, or the wait was ended by hand; the device stays made.

    """
    with connected(profile) as client:
        made = made_with_line(client, client.devices.create(name, **fields))
        if as_json:
            output.emit_line({"event": "made", "device": made})
        else:
            show_made(made)
            output.note("waiting until it is online; Ctrl-C ends the wait, the device stays made")
        waiting = _Waiting(client, made, as_json=as_json)
        try:
            waiting.until_online(Asking(every_s, timeout_s))
        except KeyboardInterrupt:
            raise Refused(f"ended the wait; {waiting.where_it_stands()}") from None


class _Waiting:
    """What was told already, and what is left to tell."""

    def __init__(self, client: sdk.Moorage, made: sdk.DeviceMade, *, as_json: bool) -> None:
        self._client = client
        self._made = made
        self._as_json = as_json
        self._told: Counter[sdk.Attempt] = Counter()
        self._device: sdk.Device = made
        self._last: sdk.Attempt | None = None
        self._said = ("", False)

    def until_online(self, asking: Asking) -> None:
        """Tell until the device is online. Raises Refused when the time is up."""
        while asking.ask(self._look) is None or self._device.status != "online":
            if not asking.pause():
                raise Refused(f"not online in time; {self.where_it_stands()}")

    def where_it_stands(self) -> str:
        """Say why the device is not online, as far as the server can know, and what to do."""
        device, last = self._device, self._last
        said = f"{device.name} ({device.id}) is {device.status}: {device.presence.reason}"
        if device.last_seen_at is not None:
            return f"{said}; it has enrolled, so look whether its agent runs and gets through"
        fresh = f"`moorage token create {device.id}` makes a fresh line"
        if last is not None and last.outcome == "refused":
            return f"{said}; the last try was refused ({last.reason}), {fresh}"
        if self._made.expires_at is not None and self._made.expires_at <= datetime.now(UTC):
            return f"{said}; the line is too old by now, {fresh}"
        if last is not None:
            return f"{said}; its installer was fetched, so look at what it printed on the device"
        return f"{said}; nobody has run the line yet, or the server's address in it is not reached"

    def _look(self) -> bool:
        self._tell_attempts(list(self._client.devices.attempts(self._made.id)))
        self._device = device = self._client.devices.get(self._made.id)
        enrolled = device.last_seen_at is not None
        if (device.status, enrolled) != self._said:
            self._said = (device.status, enrolled)
            self._tell_status(device, enrolled=enrolled)
        return True

    def _tell_attempts(self, newest_first: Sequence[sdk.Attempt]) -> None:
        counted = Counter(newest_first)
        fresh = counted - self._told
        self._told |= counted
        self._last = newest_first[0] if newest_first else self._last
        for attempt in sorted(fresh.elements(), key=lambda one: one.at):
            if self._as_json:
                output.emit_line({"event": "attempt", "attempt": attempt})
            else:
                output.say(
                    f"{time_text(attempt.at)} {attempt.outcome} from "
                    f"{attempt.address or 'somewhere'}: {attempt.reason}"
                )

    def _tell_status(self, device: sdk.Device, *, enrolled: bool) -> None:
        if self._as_json:
            output.emit_line({"event": "status", "enrolled": enrolled, "device": device})
        else:
            has = "has enrolled, " if enrolled and device.status == "never_seen" else ""
            output.say(f"{device.name} {has}is {device.status}: {device.presence.reason}")
