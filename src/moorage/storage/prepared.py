"""Statements compiled once, for the few that run with every report.

SQLAlchemy's own compiled cache still builds a key, a context and a parameter dictionary for every
row; on the report path that was most of the time spent (figures in docs/decisions/0001-storage.md).
"""

import re
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from itertools import starmap
from operator import itemgetter
from typing import Any, TypeAlias

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from moorage.kit.clock import from_ms, to_ms
from moorage.storage.dialect import Engine
from moorage.storage.schema import Millis

_DIALECTS: dict[str, sa.Dialect] = {
    "sqlite": SQLiteDialect_pysqlite(),
    "postgresql": PGDialect_asyncpg(),  # type: ignore[no-untyped-call]
}

Values: TypeAlias = tuple[Any, ...]
_PARAMETER = re.compile(r"\$(\d+)")
# The values of a plain insert, as the dialect of asyncpg writes them: a parameter for each column.
_PLAIN_VALUES = re.compile(r" VALUES \((?P<one_each>\$\d+::\w+(?:, \$\d+::\w+)*)\)$")
_TYPE = re.compile(r"::(\w+)")
_encode = msgspec.json.Encoder().encode


class Prepared:
    """A statement as the driver takes it.

    ``build`` makes it from the engine's helpers. Parameters are given by name and go through their
    column's type, as usual, and so do result columns. What runs once for each of many rows can name
    the ``order`` of its parameters and be given plain tuples (``Tx.run_rows``): nothing is done to
    those for each row, so their times are milliseconds already.
    """

    def __init__(
        self, build: Callable[[Engine], sa.Executable], *, order: Sequence[str] = ()
    ) -> None:
        """Keep the builder; nothing is compiled before the first use on an engine."""
        self._build = build
        self._order = tuple(order)
        self._compiled: dict[str, OnEngine] = {}

    def on(self, engine: Engine) -> "OnEngine":
        """Return the statement as an engine takes it."""
        found = self._compiled.get(engine.name)
        if found is None:
            found = self._compiled[engine.name] = self._compile(engine)
        return found

    def _compile(self, engine: Engine) -> "OnEngine":
        compiled: Any = self._build(engine).compile(dialect=_DIALECTS[engine.name])  # type: ignore[attr-defined]
        sql = str(compiled)
        return OnEngine(
            sql,
            for_many(sql),
            _writer(compiled),
            _arranger(compiled, self._order),
            _reader(compiled, _DIALECTS[engine.name]),
        )


@lru_cache(maxsize=64)
def together(inserts: tuple[str, ...]) -> str:
    """Return one statement of PostgreSQL's for inserts of a row each, their parameters in a row."""
    first = 0
    parts = []
    for sql in inserts:
        shifted, count = _PARAMETER.subn(partial(_shifted, by=first), sql)
        parts.append(shifted)
        first += count
    named = [f"part_{at} AS ({sql})" for at, sql in enumerate(parts[:-1])]
    return f"WITH {', '.join(named)} {parts[-1]}" if named else parts[-1]


@dataclass(frozen=True, slots=True)
class ForMany:
    """PostgreSQL's insert of many rows at once; its one parameter is what ``packed`` makes of them.

    Finite numbers only: JSON has no others.
    """

    sql: str
    packed: Callable[[Sequence[Values]], str]


def for_many(sql: str) -> ForMany | None:
    """Return a plain insert as one of many rows, which are given as JSON; None for all else.

    One statement for all costs both sides less than one for each row, and the driver writes one
    text in a fraction of the time that it takes for an array a column: it asks of each value in an
    array whether that is one again. No update, which would lock its rows in the planner's order,
    not in that of the rows given.
    """
    values = _PLAIN_VALUES.search(sql)
    if values is None:
        return None
    types = _TYPE.findall(values["one_each"])
    names = [f'"{at}"' for at in range(len(types))]
    columns = ", ".join(f"{name} {type_}" for name, type_ in zip(names, types, strict=True))
    insert = (
        f"{sql[: values.start()]} SELECT {', '.join(names)} "  # noqa: S608 - our own text, no value
        f"FROM json_to_recordset($1::TEXT::JSON) AS given({columns})"
    )
    row = msgspec.defstruct(
        "row",
        [f"p{at}" for at in range(len(types))],
        rename=lambda name: name.removeprefix("p"),
    )
    return ForMany(insert, lambda rows: _encode(list(starmap(row, rows))).decode())


def _shifted(parameter: re.Match[str], by: int) -> str:
    return f"${int(parameter[1]) + by}"


@dataclass(frozen=True, slots=True)
class OnEngine:
    """A statement's text on an engine, what turns our parameters into its, and its rows into ours.

    ``values`` takes named parameters, ``arranged`` rows of them in the statement's declared order.
    ``for_many`` is the same insert for many rows at once, where there is that.
    """

    sql: str
    for_many: ForMany | None
    values: Callable[[Mapping[str, Any]], Values]
    arranged: Callable[[Sequence[Values]], Sequence[Values]]
    read: Callable[[Sequence[Any]], Sequence[Any]]


def _writer(compiled: Any) -> Callable[[Mapping[str, Any]], Values]:
    """Return what puts named parameters in the driver's order."""
    names = list(compiled.positiontup)
    defaults = {name: compiled.params.get(name) for name in names}
    processed = [
        (at, process)
        for at, name in enumerate(names)
        if (process := _processor(compiled.binds[name], compiled)) is not None
    ]
    # A row that names everything, as those of the report path do, is picked in one call.
    pick = itemgetter(*names) if len(names) > 1 else None

    def picked(given: Mapping[str, Any]) -> Values:
        if pick is not None:
            try:
                found: Values = pick(given)
            except KeyError:
                pass
            else:
                return found
        return tuple([given.get(name, defaults[name]) for name in names])

    def values(given: Mapping[str, Any]) -> Values:
        found = list(picked(given))
        for at, process in processed:
            found[at] = process(found[at])
        return tuple(found)

    return values if processed else picked


def _arranger(
    compiled: Any, order: tuple[str, ...]
) -> Callable[[Sequence[Values]], Sequence[Values]]:
    """Return what puts rows of a declared order in the driver's, which most are in already."""
    if not order or tuple(compiled.positiontup) == order:
        return lambda rows: rows
    arrange = itemgetter(*map(order.index, compiled.positiontup))
    return lambda rows: list(map(arrange, rows))


def _reader(compiled: Any, dialect: sa.Dialect) -> Callable[[Sequence[Any]], Sequence[Any]]:
    columns = compiled._result_columns  # noqa: SLF001
    processors = [_result_processor(column.type, dialect) for column in columns]
    # Repeated names (joined tables) are told apart by their place, as nobody can ask for them.
    names = [column.keyname for column in columns]
    row = namedtuple("row", names, rename=True)  # type: ignore[misc]  # noqa: PYI024 - by name at run time

    # What ``row._make`` does, without a frame of Python for each row.
    new = tuple.__new__
    if not any(processors):
        return lambda rows: [new(row, found) for found in rows]

    def read(rows: Sequence[Any]) -> Sequence[Any]:
        return [
            new(
                row,
                [
                    value if process is None else process(value)
                    for process, value in zip(processors, found, strict=True)
                ],
            )
            for found in rows
        ]

    return read


def _result_processor(
    of: sa.types.TypeEngine[Any], dialect: sa.Dialect
) -> Callable[[Any], Any] | None:
    if isinstance(of, Millis):
        return _time
    if isinstance(of, sa.Double):
        return None  # both drivers give floats, and asyncpg's type wants to see the column first
    found: Callable[[Any], Any] | None = of.dialect_impl(dialect).result_processor(dialect, None)
    return found


def _processor(bind: sa.BindParameter[Any], compiled: Any) -> Callable[[Any], Any] | None:
    if isinstance(bind.type, Millis):
        return _millis  # the same as the type's own, without the layers around it
    if isinstance(bind.type, sa.Boolean):
        return None  # both drivers take it as it is
    found: Callable[[Any], Any] | None = compiled._bind_processors.get(bind.key)  # noqa: SLF001
    return found


def _time(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_ms(milliseconds)


# The rows of a batch share the present of their transaction, so the last time is often asked again.
_last: tuple[datetime | None, int | None] = (None, None)


def _millis(at: datetime | None) -> int | None:
    global _last  # noqa: PLW0603 - a memo of one; whoever reads it gets a whole pair
    last, ms = _last
    if at is not last:
        ms = None if at is None else to_ms(at)
        _last = (at, ms)
    return ms
