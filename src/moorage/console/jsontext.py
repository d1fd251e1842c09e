"""JSON as people type it: what it says, in which line each part stands, what is wrong and where."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moorage.kit.jsonvalue import escape_pointer

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


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
    """Read a text. Raises MisreadError, also for a key that stands twice in one object."""
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

    def next_part(self) -> str:
        step = (self.key or "") if self.is_object else str(self.index)
        return f"{self.pointer}/{escape_pointer(step)}"


def _lines_of(text: str) -> dict[str, int]:
    """Find the line of every part of a text that is JSON."""
    lines: dict[str, int] = {}
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
            here.key = json.loads(mark)
            pointer = here.next_part()
            if pointer in lines:
                column = found.start() - text.rfind("\n", 0, found.start())
                raise MisreadError(f"the key {here.key} stands in this object twice", line, column)
            lines[pointer] = line
        else:
            pointer = here.next_part() if here is not None else ""
            lines.setdefault(pointer, line)
            if mark in "{[":
                around.append(_Open(pointer, mark == "{"))
    return lines
