"""The same done to many things: one row each, and an exit code that says how it went in all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from moorage import sdk
from moorage.cli.owner import output
from moorage.cli.owner.outcomes import Exit, Refused, code_of, sentence_of


@dataclass(frozen=True)
class Row:
    """What came of one thing. ``result`` is one word; ``detail`` says why it failed."""

    name: str
    result: str
    id: str | None = None
    detail: str | None = None
    code: Exit = Exit.OK


def failed(name: str, error: Exception, id: str | None = None) -> Row:  # noqa: A002 - its name
    """Make the row of what went wrong."""
    return Row(name, "failed", id, sentence_of(error), code_of(error))


def not_tried(name: str, error: Exception) -> Row:
    """Make the row of what was left out because the server was gone by then."""
    return Row(name, "not tried", None, sentence_of(error), code_of(error))


def each(title: str, names: Sequence[str], work: Callable[[str], Row]) -> list[Row]:
    """Do it to each, going on after a failure.

    Raises:
        MoorageError, Refused: there is one only, and it failed; or the key is refused, which it
            will be for all that follow.

    """
    rows: list[Row] = []
    gone: sdk.ConnectionFailed | None = None
    with output.progress(title, len(names)) as one_more:
        for name in names:
            if gone is not None:
                rows.append(not_tried(name, gone))
                continue
            try:
                rows.append(work(name))
            except sdk.Unauthenticated:
                raise
            except sdk.ConnectionFailed as error:
                if len(names) == 1:
                    raise
                gone = error
                rows.append(failed(name, error))
            except (sdk.MoorageError, Refused) as error:
                if len(names) == 1:
                    raise
                rows.append(failed(name, error))
            one_more()
    return rows


def code(rows: Sequence[Row]) -> Exit:
    """Return 0 when all went well, 7 when some did, else what all have in common or 1."""
    codes = {row.code for row in rows}
    if codes <= {Exit.OK}:
        return Exit.OK
    if Exit.OK in codes:
        return Exit.PARTIAL
    return codes.pop() if len(codes) == 1 else Exit.FAILED


def show(rows: Sequence[Row], *, as_json: bool) -> Exit:
    """Print the rows; return how it went."""
    if as_json:
        output.emit(
            [
                {"name": row.name, "result": row.result, "id": row.id, "detail": row.detail}
                for row in rows
            ]
        )
    else:
        output.table(
            ["name", "result", "id", "detail"],
            [[row.name, row.result, row.id or "", row.detail or ""] for row in rows],
        )
    return code(rows)
