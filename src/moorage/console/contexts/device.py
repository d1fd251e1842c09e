"""What stands around every tab of a device's page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Tab:
    """One tab: its part of the address behind the device's own, empty for the first."""

    title: str
    part: str
    icon: str


# A tab is listed here once its route is there.
TABS = (
    Tab("Overview", "", "chart-line"),
    Tab("Config", "config", "adjustments"),
    Tab("Logs", "logs", "file-text"),
    Tab("Events", "events", "history"),
    Tab("Commands", "commands", "send"),
    Tab("Streams", "streams", "video"),
    Tab("Services", "services", "stack-2"),
    Tab("Keys", "keys", "key"),
    Tab("Access", "access", "qrcode"),
)


@dataclass(frozen=True)
class Warned:
    """What somebody should know before anything else. ``kind`` is danger, warning or info.

    ``what`` is ``approval``, ``clone``, ``config``, ``clock`` or ``released``.
    """

    what: str
    kind: str
    title: str
    text: str


@dataclass(frozen=True)
class DeviceFrame:
    """A device's head. Every tab's context holds it as ``frame``.

    ``facts`` are what it last told of itself, as (name, text); ``may_…`` say what to offer.
    """

    id: str
    live: bool
    name: str
    type: str
    status: str
    reason: str
    last_seen_at: datetime | None
    tags: Sequence[str]
    reference: str | None
    external_id: str | None
    hostname: str | None
    facts: Sequence[tuple[str, str]]
    created_at: datetime
    interval_s: int
    uptime_s: int | None
    approval: str
    warnings: Sequence[Warned]
    may_update: bool
    may_delete: bool
    may_configure: bool
    tabs: Sequence[Tab] = TABS

    @property
    def path(self) -> str:
        """The address of the page."""
        return f"/console/devices/{self.id}"

    def address_of(self, tab: Tab) -> str:
        """The address of a tab."""
        return f"{self.path}/{tab.part}" if tab.part else self.path

    def is_at(self, tab: Tab, path: str) -> bool:
        """Whether an address is a tab's own."""
        at = path.removeprefix(self.path).strip("/")
        return at == tab.part or bool(tab.part and at.startswith(f"{tab.part}/"))


@dataclass(frozen=True)
class DeviceState:
    """The part of the head that is asked for anew while the page is open."""

    frame: DeviceFrame
