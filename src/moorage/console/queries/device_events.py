"""What the tab Events of a device reads."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote, urlencode

from moorage.console.contexts.device_action import Spelled
from moorage.console.contexts.device_events import EventShown, Family, Timeline
from moorage.console.queries.device import frame
from moorage.core import devices, events
from moorage.core.caller import Caller
from moorage.core.errors import invalid
from moorage.core.events import Event
from moorage.core.timeline import Window
from moorage.kit.spans import spelled
from moorage.storage import Tx

_PAGE = 50
_LONGEST_NAME = 128
_LATE = timedelta(minutes=2)

# What names of events begin with, what that is called, and its mark.
FAMILIES: Mapping[str, tuple[str, str]] = {
    "device": ("Device and config", "devices"),
    "command": ("Commands", "send"),
    "stream": ("Streams", "video"),
    "service": ("Services", "stack-2"),
    "agent": ("Agent", "heartbeat"),
    "reports": ("Reports", "database"),
    "environment": ("Environment", "brand-docker"),
}
_BAD = ("failed", "refused", "rejected", "damaged", "dropped", "forked", "suspected", "expired")
_GOOD = ("succeeded", "applied", "ready", "approved", "enrolled", "updated", "started", "moved")


@dataclass(frozen=True)
class Asked:
    """What an address asks for."""

    families: Sequence[str] = ()
    name: str = ""
    before: str | None = None
    after: str | None = None

    @property
    def query(self) -> list[tuple[str, str]]:
        """The filters that are given, as they stand in an address."""
        name = [("event", self.name)] if self.name else []
        return [("kind", one) for one in self.families] + name


async def show(tx: Tx, caller: Caller, device_id: str, asked: Asked) -> Timeline:
    """Read a page of the timeline, newest first (``device:read``).

    Raises:
        DomainError: ``not_found``; ``invalid`` for a filter. BadCursorError.

    """
    _check(asked)
    head = await frame(tx, caller, device_id)
    device = (await devices.get(tx, caller, device_id)).ref
    forward = asked.after is not None
    found, span = await events.walk_events(
        tx,
        caller,
        device,
        Window(),
        event=asked.name or None,
        families=asked.families,
        cursor=asked.after if forward else asked.before,
        forward=forward,
        limit=_PAGE,
    )
    if forward and not span.more:
        # The beginning of the list is one page, however many there were after the last one seen.
        return await show(tx, caller, device_id, Asked(asked.families, asked.name))
    path = f"{head.path}/events"
    newest = asked.before is None and asked.after is None
    older = span.older if span.more or forward else None
    return Timeline(
        frame=head,
        events=[_event(head.path, one) for one in found],
        families=[
            Family(key, title, key in asked.families) for key, (title, _) in FAMILIES.items()
        ],
        name=asked.name,
        here=_address(path, asked),
        before=None if newest or span.newer is None else _address(path, asked, after=span.newer),
        after=older and _address(path, asked, before=older),
        again=_address(path, asked, live="yes") if newest else None,
        filtered=bool(asked.query),
        spelled=_spelled(device_id, asked.name),
    )


def _check(asked: Asked) -> None:
    for one in asked.families:
        if one not in FAMILIES:
            raise invalid("/kind", f"a kind of event is one of {', '.join(FAMILIES)}")
    if len(asked.name) > _LONGEST_NAME:
        raise invalid("/event", f"the name of an event has at most {_LONGEST_NAME} characters")


def _address(path: str, asked: Asked, **place: str) -> str:
    query = urlencode([*asked.query, *place.items()])
    return f"{path}?{query}" if query else path


def _event(path: str, one: Event) -> EventShown:
    family, _, rest = one.event.partition(".")
    behind = one.received_at - one.at
    kind = "danger" if one.error_code or rest.endswith(_BAD) else "plain"
    return EventShown(
        id=one.id,
        event=one.event,
        icon=FAMILIES.get(family, ("", "bolt"))[1],
        kind="good" if kind == "plain" and rest.endswith(_GOOD) else kind,
        at=one.at,
        ended_at=one.ended_at,
        text=one.description or "",
        error_code=one.error_code,
        about=None if one.entity_type == "device" else f"{one.entity_type} {one.entity_id}",
        details=one.metadata,
        link=_link(path, one),
        late=f"came {spelled(behind)} later" if behind >= _LATE else None,
    )


def _link(path: str, one: Event) -> str | None:
    """Lead to the command, or the config, that an event is about."""
    command = one.metadata.get("command_id")
    if one.event.startswith("command.") and isinstance(command, str):
        return f"{path}/commands?command={quote(command, safe='')}"
    if one.event.startswith("device.config_"):
        return f"{path}/config"
    return None


def _spelled(device_id: str, name: str) -> Spelled:
    query = f"?{urlencode({'event': name})}" if name else ""
    cli = f"device events {device_id}" + (f" --event {shlex.quote(name)}" if name else "")
    arguments = repr(device_id) + (f", event={name!r}" if name else "")
    return Spelled(
        "GET",
        f"/v1/devices/{device_id}/events{query}",
        cli=cli,
        sdk=f"for event in fleet.devices.events({arguments}):\n        print(event)",
    )
