"""Statements compiled once, for the few that run with every report.

SQLAlchemy's own compiled cache still builds a key, a context and a parameter dictionary for every
row; on the report path that was most of the time spent (figures in docs/decisions/0001-storage.md).
"""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

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


class Prepared:
    """A statement as the driver takes it.

    ``build`` makes it from the engine's helpers. Parameters are given by name and go through their
    column's type, as usual, and so do result columns.
    """

    def __init__(self, build: Callable[[Engine], sa.Executable]) -> None:
        """Keep the builder; nothing is compiled before the first use on an engine."""
        self._build = build
        self._compiled: dict[str, OnEngine] = {}

    def on(self, engine: Engine) -> "OnEngine":
        """Return the statement as an engine takes it."""
        found = self._compiled.get(engine.name)
        if found is None:
            found = self._compiled[engine.name] = self._compile(engine)
        return found

    def _compile(self, engine: Engine) -> "OnEngine":
        compiled: Any = self._build(engine).compile(dialect=_DIALECTS[engine.name])  # type: ignore[attr-defined]
        fixed = compiled.params
        places = [
            (name, fixed.get(name), _processor(compiled.binds[name], compiled))
            for name in compiled.positiontup
        ]

        def values(given: Mapping[str, Any]) -> Values:
            get = given.get
            return tuple(
                [
                    get(name, default) if process is None else process(get(name, default))
                    for name, default, process in places
                ]
            )

        return OnEngine(str(compiled), values, _reader(compiled, _DIALECTS[engine.name]))


@dataclass(frozen=True, slots=True)
class OnEngine:
    """A statement's text on an engine, what turns named parameters into its, and rows into ours."""

    sql: str
    values: Callable[[Mapping[str, Any]], Values]
    read: Callable[[Sequence[Any]], Sequence[Any]]


def _reader(compiled: Any, dialect: sa.Dialect) -> Callable[[Sequence[Any]], Sequence[Any]]:
    columns = compiled._result_columns  # noqa: SLF001
    processors = [_result_processor(column.type, dialect) for column in columns]
    if not any(processors):
        return lambda rows: rows
    # Repeated names (joined tables) are told apart by their place, as nobody can ask for them.
    names = [column.keyname for column in columns]
    row = namedtuple("row", names, rename=True)  # type: ignore[misc]  # noqa: PYI024 - by name at run time

    def read(rows: Sequence[Any]) -> Sequence[Any]:
        return [
            row._make(
                [
                    value if process is None else process(value)
                    for process, value in zip(processors, found, strict=True)
                ]
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
    found: Callable[[Any], Any] | None = compiled._bind_processors.get(bind.key)  # noqa: SLF001
    return found


def _time(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_ms(milliseconds)


def _millis(at: datetime | None) -> int | None:
    return None if at is None else to_ms(at)
