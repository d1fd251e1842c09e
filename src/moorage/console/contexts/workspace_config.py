"""What the page of a workspace's default config shows."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """What is wrong in the text: where, as a line or a path, and why."""

    where: str
    why: str


@dataclass(frozen=True)
class Checked:
    """What saving would do. ``changed`` are paths of the document that would differ."""

    faults: Sequence[Fault]
    changed: Sequence[str]
    more: int
    document: str


@dataclass(frozen=True)
class Kept:
    """How long one kind of rows is kept: ``days`` as they hold; ``own`` what was chosen, if any."""

    name: str
    title: str
    days: str
    own: str
    bounds: str


@dataclass(frozen=True)
class DefaultConfig:
    """The page. ``patch`` is the workspace's part as text, its secrets masked."""

    patch: str
    document: str
    digest: str
    may_write: bool
    checked: Checked | None
    kept: Sequence[Kept]
    may_keep: bool
    slug: str
