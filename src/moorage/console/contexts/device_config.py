"""What the tab Config of a device shows: documents, changes, revisions, conflicts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from moorage.console.contexts.device import DeviceFrame
from moorage.console.contexts.device_overview import ConfigBrief


@dataclass(frozen=True)
class DocumentLine:
    """One line of a document; ``origin`` is the layer of the value that ends in it, or None."""

    text: str
    origin: str | None


@dataclass(frozen=True)
class Secret:
    """A value that is kept from view. ``own``: the device's own layer holds it.

    ``in_array``: it cannot be set alone.
    """

    pointer: str
    origin: str
    own: bool
    in_array: bool


@dataclass(frozen=True)
class Change:
    """One key that differs. ``kind`` is added, removed or changed; texts are JSON, None: absent.

    ``secret``: the texts look the same because what differs is kept from view.
    """

    pointer: str
    kind: str
    before: str | None
    after: str | None
    secret: bool


@dataclass(frozen=True)
class SideLine:
    """One line of two texts side by side; a number and a text are None where a side has none.

    ``kind`` is same, changed, added, removed, or skipped for lines left out, which ``left`` counts.
    """

    kind: str
    left_number: int | None
    left: str | None
    right_number: int | None
    right: str | None


@dataclass(frozen=True)
class RevisionRow:
    """A revision in the list. ``more`` counts the pointers that ``changed`` leaves out."""

    revision: int
    at: datetime
    by: str
    changed: Sequence[str]
    more: int
    is_desired: bool
    is_applied: bool


@dataclass(frozen=True)
class Wrong:
    """What is wrong with a text: where, by line, column and JSON pointer as far as known."""

    detail: str
    line: int | None
    column: int | None
    pointer: str | None


@dataclass(frozen=True)
class Check:
    """What saving a text would do. ``patch`` does the same through the API, secrets masked."""

    device_id: str
    digest: str
    wrong: Sequence[Wrong]
    changes: Sequence[Change]
    patch: Mapping[str, Any] | None

    @property
    def bad_lines(self) -> str:
        """The lines to mark."""
        return " ".join(str(one.line) for one in self.wrong if one.line is not None)


@dataclass(frozen=True)
class Editor:
    """The form of the device's own layer: which revision it began with, and the text in it."""

    device_id: str
    path: str
    revision: int
    digest: str
    text: str


@dataclass(frozen=True)
class Conflict:
    """Two who edited at once. ``editor`` holds both changes together, begun with the newest.

    ``mine`` and ``theirs`` are whole texts; ``sides`` shows them beside each other. ``overlaps``
    are pointers that both changed: there ``editor`` has mine.
    """

    editor: Editor
    since: Sequence[RevisionRow]
    mine: str
    theirs: str
    sides: Sequence[SideLine]
    overlaps: Sequence[str]


@dataclass(frozen=True)
class ConfigTab:
    """The tab. ``editor`` is None for who may not change anything."""

    frame: DeviceFrame
    config: ConfigBrief
    lines: Sequence[DocumentLine]
    secrets: Sequence[Secret]
    editor: Editor | None
    digest: str
    revisions: Sequence[RevisionRow]
    is_first_page: bool
    next_cursor: str | None


@dataclass(frozen=True)
class Compared:
    """Two revisions beside each other."""

    frame: DeviceFrame
    before: RevisionRow
    after: RevisionRow
    changes: Sequence[Change]
    sides: Sequence[SideLine]
    newest: int
    digest: str
