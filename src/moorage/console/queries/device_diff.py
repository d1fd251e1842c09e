"""Two documents beside each other: by key, and line by line."""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from moorage.console.contexts.device_config import Change, SideLine
from moorage.kit.jsonvalue import escape_pointer

_ABSENT = object()
_LONGEST_VALUE = 2_000
# Lines of what is the same on both sides that stay around a change.
_AROUND = 3
# Between the first and the last that differ; finding what is alike in more takes seconds.
_MOST_COMPARED = 1_000
_MOST_SHOWN = 5_000


def text_of(document: Any) -> str:
    """Return a document as people edit it."""
    return json.dumps(document, indent=2, ensure_ascii=False)


def changes(
    before: Mapping[str, Any], after: Mapping[str, Any], changed: Sequence[str]
) -> list[Change]:
    """Say for each pointer what it was and what it is, as far as it may be seen."""
    return [_change(pointer, _at(before, pointer), _at(after, pointer)) for pointer in changed]


def _change(pointer: str, before: Any, after: Any) -> Change:
    kind = "added" if before is _ABSENT else "removed" if after is _ABSENT else "changed"
    old, new = (None if value is _ABSENT else _short(value) for value in (before, after))
    return Change(pointer, kind, old, new, secret=kind == "changed" and old == new)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "…"


def _at(document: Any, pointer: str) -> Any:
    value = document
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(value, Mapping) or key not in value:
            return _ABSENT
        value = value[key]
    return value


def sides(left: str, right: str) -> list[SideLine]:
    """Put two texts beside each other; long runs that are the same are left out.

    What differs all over and is long stands beside each other as it comes, and of a great deal of
    it the first 5,000 lines; a last one of kind ``cut`` says how many more there are.
    """
    one, other = left.split("\n"), right.split("\n")
    found: list[SideLine] = []
    for kind, from_1, to_1, from_2, to_2 in _opcodes(one, other):
        pairs = zip_longest(range(from_1, to_1), range(from_2, to_2))
        rows = [_side(one, other, at_1, at_2, same=kind == "equal") for at_1, at_2 in pairs]
        if kind == "equal":
            rows = _shortened(rows, first=from_1 == 0, last=to_1 == len(one))
        found += rows
    if len(found) > _MOST_SHOWN:
        cut = SideLine("cut", None, str(len(found) - _MOST_SHOWN), None, None)
        return [*found[:_MOST_SHOWN], cut]
    return found


def _opcodes(one: Sequence[str], other: Sequence[str]) -> Iterator[tuple[str, int, int, int, int]]:
    """Yield what to do to the lines of one to get the other, as ``difflib`` has it."""
    shorter = min(len(one), len(other))
    head = next((at for at in range(shorter) if one[at] != other[at]), shorter)
    rest = range(1, shorter - head + 1)
    tail = next((at - 1 for at in rest if one[-at] != other[-at]), shorter - head)
    ends = len(one) - tail, len(other) - tail
    if head:
        yield "equal", 0, head, 0, head
    if max(ends) - head > _MOST_COMPARED:
        yield "replace", head, ends[0], head, ends[1]
    else:
        # With its heuristic against frequent lines: without it few distinct ones take minutes.
        matcher = difflib.SequenceMatcher(None, one[head : ends[0]], other[head : ends[1]])
        for kind, *ats in matcher.get_opcodes():
            from_1, to_1, from_2, to_2 = (head + at for at in ats)
            yield kind, from_1, to_1, from_2, to_2
    if tail:
        yield "equal", ends[0], len(one), ends[1], len(other)


def _side(
    one: Sequence[str], other: Sequence[str], at_1: int | None, at_2: int | None, *, same: bool
) -> SideLine:
    kind = "same" if same else "added" if at_1 is None else "removed" if at_2 is None else "changed"
    return SideLine(
        kind,
        None if at_1 is None else at_1 + 1,
        None if at_1 is None else one[at_1],
        None if at_2 is None else at_2 + 1,
        None if at_2 is None else other[at_2],
    )


def _shortened(rows: list[SideLine], *, first: bool, last: bool) -> list[SideLine]:
    head = 0 if first else _AROUND
    tail = 0 if last else _AROUND
    skipped = len(rows) - head - tail
    if skipped <= 1:
        return rows
    gap = SideLine("skipped", None, str(skipped), None, None)
    return [*rows[:head], gap, *rows[len(rows) - tail :]]


def together(
    base: Mapping[str, Any], mine: Mapping[str, Any], theirs: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Put two edits of one document together; return it, and the pointers that both changed.

    What both changed differently is as in ``mine``.
    """
    overlaps: list[str] = []
    return _together(base, mine, theirs, "", overlaps), overlaps


def _together(
    base: Mapping[str, Any],
    mine: Mapping[str, Any],
    theirs: Mapping[str, Any],
    at: str,
    overlaps: list[str],
) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for key in [*theirs, *(key for key in mine if key not in theirs)]:
        was, own, other = (side.get(key, _ABSENT) for side in (base, mine, theirs))
        pointer = f"{at}/{escape_pointer(key)}"
        if isinstance(own, Mapping) and isinstance(other, Mapping):
            inner = was if isinstance(was, Mapping) else {}
            merged[key] = _together(inner, own, other, pointer, overlaps)
            continue
        value = other if _same(was, own) else own
        if not any(_same(*pair) for pair in ((was, own), (was, other), (own, other))):
            overlaps.append(pointer)
        if value is not _ABSENT:
            merged[key] = value
    return merged


def _same(one: Any, other: Any) -> bool:
    if one is _ABSENT or other is _ABSENT:
        return one is other
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def lines_of(
    document: Mapping[str, Any], at: str = "", depth: int = 1
) -> Iterator[tuple[str, str]]:
    """Yield the lines between a document's braces, each with the pointer of its value."""
    left = len(document)
    for key, value in document.items():
        left -= 1
        pointer, comma = f"{at}/{escape_pointer(key)}", "," if left else ""
        begin = "  " * depth + json.dumps(key, ensure_ascii=False) + ": "
        if isinstance(value, Mapping) and value:
            yield begin + "{", ""
            yield from lines_of(value, pointer, depth + 1)
            yield "  " * depth + "}" + comma, ""
        elif isinstance(value, list) and value:
            first, *rest = text_of(value).split("\n")
            yield begin + first, pointer
            for number, line in enumerate(rest, 1):
                yield "  " * depth + line + (comma if number == len(rest) else ""), ""
        else:
            yield begin + json.dumps(value, ensure_ascii=False) + comma, pointer
