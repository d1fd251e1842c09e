"""What the tab Logs of a device shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from moorage.console.contexts.device import DeviceFrame
from moorage.console.contexts.device_action import Spelled


@dataclass(frozen=True)
class Piece:
    """A piece of a message; ``hit`` where it is what was searched for."""

    text: str
    hit: bool


@dataclass(frozen=True)
class LineShown:
    """One line. ``key`` sorts as lines do and names the line in its page.

    ``rest`` is what of a long message shows when it is opened. ``late`` says how much later than it
    was written the line came, where that is worth a word.
    """

    key: str
    at: datetime
    service: str
    severity: str
    head: Sequence[Piece]
    rest: Sequence[Piece]
    link: str
    cursor: str
    marked: bool
    late: str | None
    lost: bool


@dataclass(frozen=True)
class GapShown:
    """Where lines are missing: what the device said it had to let go of, and when."""

    key: str
    at: datetime
    text: str


@dataclass(frozen=True)
class LinesShown:
    """Some lines in a row, oldest first, with the gaps between them.

    ``older`` and ``newer`` are addresses of the lines before and after, None where there are none.
    ``follow`` is the address of what comes in from here on, None unless this is the end of the log.
    ``again`` says that more came than was read at once.
    """

    rows: Sequence[LineShown | GapShown]
    older: str | None
    newer: str | None
    follow: str | None
    again: bool = False


@dataclass(frozen=True)
class Chip:
    """Something to narrow the list to. ``on``: it is."""

    value: str
    on: bool


@dataclass(frozen=True)
class Logs:
    """The tab. ``missing`` says that the line that was asked for is not there any more.

    ``path`` is the tab's address with its filters, without a place in the log.
    """

    frame: DeviceFrame
    path: str
    lines: LinesShown
    services: Sequence[Chip]
    severities: Sequence[Chip]
    text: str
    spans: Sequence[tuple[str, str]]
    span: str
    start: str
    end: str
    filtered: bool
    at_line: bool
    missing: bool
    spelled: Spelled
