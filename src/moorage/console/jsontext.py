"""JSON as people type it: what it says, in which line each part stands, what is wrong and where."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from moorage.kit.jsonvalue import DEEPEST, escape_pointer

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_LONGEST_POINTER = 1_024
# Characters of all pointers that are kept; a part beyond has the line of what is around it.
_MOST_KEPT = 8_000_000


class MisreadError(ValueError):
    """The text is no JSON. ``line`` and ``column`` count from 1, None where nobody can say."""

    def __init__(self, detail: str, line: int | None = None, column: int | None = None) -> None:
        """Keep the parts."""
        super().__init__(detail)
        self.detail = detail
        self.line = line
        self.column = column


@dataclass(frozen=True)
class Parsed:
    """``value`` is what the text says; ``lines`` the line of each part, by its JSON pointer."""

    value: Any
    lines: Mapping[str, int]

    def line_of(self, pointer: str) -> int | None:
        """Return the line of a part, or of the nearest one around it that stands in the text."""
        while pointer not in self.lines and "/" in pointer:
            pointer = pointer.rpartition("/")[0]
        return self.lines.get(pointer)


def read(text: str) -> Parsed:
    """Read a text.

    Raises:
        MisreadError: also for a key that stands twice in one object, for nesting over 32 deep, and
            for a pointer (all keys around a part together) over 1,024 characters.

    """
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise MisreadError(error.msg, error.lineno, error.colno) from None
    except RecursionError:
        raise MisreadError("the nesting is too deep") from None
    except ValueError:
        raise MisreadError("a number is too long") from None
    return Parsed(value, _lines_of(text))


@dataclass
class _Open:
    """An object or array that is not closed yet; ``key`` is that of the part that comes next."""

    pointer: str
    is_object: bool
    key: str | None = None
    index: int = 0
    keys: set[str] = field(default_factory=set)

    def next_part(self) -> str:
        step = (self.key or "") if self.is_object else str(self.index)
        return f"{self.pointer}/{escape_pointer(step)}"


class _Lines:
    """The line of each part, as far as there is room for their pointers."""

    def __init__(self) -> None:
        self.found: dict[str, int] = {}
        self._room = _MOST_KEPT

    def put(self, pointer: str, line: int) -> None:
        if self._room > 0 and pointer not in self.found:
            self.found[pointer] = line
            self._room -= len(pointer)


def _lines_of(text: str) -> dict[str, int]:
    """Find the line of every part of a text that is JSON."""
    lines = _Lines()
    around: list[_Open] = []
    line, seen = 1, 0
    for found in _TOKEN.finditer(text):
        line += text.count("\n", seen, found.start())
        seen = found.start()
        mark, here = found[0], around[-1] if around else None
        if mark == ":":
            continue
        if mark == "," and here is not None:
            here.key, here.index = None, here.index + 1
        elif mark in "}]":
            around.pop()
        elif here is not None and here.is_object and here.key is None:
            here.key = key = json.loads(mark)
            column = seen - text.rfind("\n", 0, seen)
            if key in here.keys:
                raise MisreadError(f"the key {key} stands in this object twice", line, column)
            here.keys.add(key)
            lines.put(_short(here.next_part(), line, column), line)
        else:
            pointer = here.next_part() if here is not None else ""
            lines.put(pointer, line)
            if mark in "{[":
                column = seen - text.rfind("\n", 0, seen)
                if len(around) > DEEPEST:
                    raise MisreadError(f"nesting is deeper than {DEEPEST}", line, column)
                around.append(_Open(_short(pointer, line, column), mark == "{"))
    return lines.found


def _short(pointer: str, line: int, column: int) -> str:
    if len(pointer) > _LONGEST_POINTER:
        raise MisreadError(
            f"a key is too long: with those around it at most {_LONGEST_POINTER:,} characters",
            line,
            column,
        )
    return pointer
