"""What the tab Commands of a device shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from moorage.console.contexts.device import DeviceFrame
from moorage.console.contexts.device_action import Spelled


@dataclass(frozen=True)
class Asked:
    """A part of a command to fill in. ``kind`` is text, area, number, flag, or choice.

    A choice offers ``options`` and takes others as well.
    """

    name: str
    label: str
    kind: str
    help: str
    required: bool
    value: str
    options: Sequence[str] = ()


@dataclass(frozen=True)
class Draft:
    """A command that is being put together. ``question`` is asked before it goes out, if any."""

    device_id: str
    device_name: str
    kind: str
    title: str
    words: str
    parts: Sequence[Asked]
    question: str | None
    spelled: Spelled


@dataclass(frozen=True)
class CommandShown:
    """One command. ``output`` are texts of its result of more than a line, ``result`` the rest."""

    id: str
    kind: str
    arguments: str
    state: str
    created_at: datetime
    created_by: str
    expires_at: datetime
    delivered_at: datetime | None
    finished_at: datetime | None
    result: Mapping[str, Any]
    output: Sequence[tuple[str, str]]
    error: str | None
    under_way: bool
    chosen: bool
    look: Spelled
    cancel: Spelled


@dataclass(frozen=True)
class CommandList:
    """A page of commands, newest first. ``after`` is the address of the next page, or None."""

    path: str
    commands: Sequence[CommandShown]
    here: str
    after: str | None
    newest: bool
    may_send: bool


@dataclass(frozen=True)
class Commands:
    """The tab. ``kinds`` are (kind, title) of what this caller may send, ``draft`` one of them."""

    frame: DeviceFrame
    list: CommandList
    kinds: Sequence[tuple[str, str]]
    lifetimes: Sequence[tuple[str, str]]
    draft: Draft | None
