"""What the command palette offers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Option:
    """Something to go to or to do.

    ``to`` is an address; else ``run`` names what the palette's script does, with ``values``.
    """

    title: str
    icon: str
    note: str = ""
    status: str = ""
    to: str | None = None
    run: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Palette:
    """Groups of options by their heading; ``typed`` is what they were looked for by."""

    typed: str
    groups: Sequence[tuple[str, Sequence[Option]]]
    more: str | None
