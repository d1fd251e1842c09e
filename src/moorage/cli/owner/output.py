"""What commands print: JSON for programs, tables for people; progress on standard error only."""

import difflib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from moorage.cli.owner.outcomes import usage
from moorage.cli.owner.text import visible

T = TypeVar("T")


def emit(value: Any) -> None:
    """Print one JSON document. ASCII only, so that no terminal obeys what a device wrote."""
    from moorage.sdk import encode

    print(json.dumps(encode(value), indent=2))


def emit_line(value: Any) -> None:
    """Print one JSON document on one line, at once: for what goes on and on."""
    from moorage.sdk import encode

    print(json.dumps(encode(value)), flush=True)


def say(text: str) -> None:
    """Print a line for people."""
    print(visible(text), flush=True)


def note(text: str) -> None:
    """Print a remark: on standard error, beside the result."""
    print(visible(text), file=sys.stderr, flush=True)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows: on a terminal as a table, else with tabs between and no width to fit into."""
    shown = [[visible(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for row in [columns, *shown]:
            print("\t".join(cell.replace("\t", " ") for cell in row))
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=SIMPLE_HEAD, pad_edge=False)
    for at, column in enumerate(columns):
        # What names the row is to be copied whole; the rest may be folded.
        drawn.add_column(column, overflow="fold", no_wrap=at == 0)
    for row in shown:
        drawn.add_row(*(Text(cell) for cell in row))
    Console().print(drawn)


def facts(pairs: Mapping[str, str | None]) -> None:
    """Print names and values, those without a value left out."""
    there = {name: value for name, value in pairs.items() if value}
    width = max(map(len, there), default=0)
    for name, value in there.items():
        print(f"{name:<{width}}  {visible(value)}")


def pretty(value: Any) -> str:
    """Write a document so that two of them can be compared line by line."""
    from moorage.sdk import encode

    return json.dumps(encode(value), indent=2, sort_keys=True, ensure_ascii=False)


def compact(value: Any) -> str:
    """Write a value on one line."""
    from moorage.sdk import encode

    return json.dumps(encode(value), ensure_ascii=False)


def document(value: Any) -> None:
    """Print a document for people."""
    print("\n".join(visible(line) for line in pretty(value).splitlines()))


def difference(before: Any, after: Any, names: tuple[str, str] = ("now", "then")) -> list[str]:
    """Return a unified diff of two documents, empty when alike; None stands for nothing."""
    old, new = (() if one is None else pretty(one).splitlines() for one in (before, after))
    return [visible(line) for line in difflib.unified_diff(old, new, *names, lineterm="")]


def show_difference(
    before: Any, after: Any, names: tuple[str, str] = ("now", "then"), *, as_json: bool
) -> None:
    """Print a diff, in colour on a terminal; as JSON both sides."""
    if as_json:
        emit({names[0]: before, names[1]: after})
        return
    lines = difference(before, after, names)
    if not lines:
        say("no difference")
    elif not sys.stdout.isatty():
        print("\n".join(lines))
    else:
        from rich.console import Console
        from rich.text import Text

        console = Console(highlight=False)
        styles = {"+": "green", "-": "red", "@": "cyan"}
        for line in lines:
            console.print(Text(line, style=styles.get(line[0], "")), soft_wrap=True)


def dry_run(before: Any, after: Any, *, as_json: bool) -> None:
    """Print what would change. Nothing was changed."""
    if as_json:
        emit({"dry_run": True, "before": before, "after": after})
        return
    note("dry run: nothing was changed")
    show_difference(before, after, as_json=False)


def confirm(question: str, *, yes: bool) -> None:
    """Ask before what cannot be taken back.

    Raises:
        Refused: the answer was no, or there is nobody to ask.

    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise usage(f"{question} cannot be taken back; add --yes, or --dry-run to look first")
    print(visible(f"{question}? It cannot be taken back. [y/N] "), end="", file=sys.stderr)
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise usage("nothing was changed")


@contextmanager
def progress(title: str, total: int | None = None) -> Iterator[Callable[[], None]]:
    """Give a function that counts one more done; drawn on standard error if it is a terminal.

    Nothing is drawn for a single step, which is over before it is seen.
    """
    if not sys.stderr.isatty() or (total is not None and total <= 1):
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda: bar.advance(task)
