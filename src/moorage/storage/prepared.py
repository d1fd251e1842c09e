"""Statements compiled once, for the few that run with every report.

SQLAlchemy's own compiled cache still builds a key, a context and a parameter dictionary for every
row; on the report path that was most of the time spent (figures in docs/decisions/0001-storage.md).
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from moorage.kit.clock import to_ms
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
    column's type, as usual; result columns do not, so select what the driver returns as it is
    (text and numbers).
    """

    def __init__(self, build: Callable[[Engine], sa.Executable]) -> None:
        """Keep the builder; nothing is compiled before the first use on an engine."""
        self._build = build
        self._compiled: dict[str, tuple[str, Callable[[Mapping[str, Any]], Values]]] = {}

    def on(self, engine: Engine) -> tuple[str, Callable[[Mapping[str, Any]], Values]]:
        """Return the statement's text on an engine, and what turns named parameters into its."""
        found = self._compiled.get(engine.name)
        if found is None:
            found = self._compiled[engine.name] = self._compile(engine)
        return found

    def _compile(self, engine: Engine) -> tuple[str, Callable[[Mapping[str, Any]], Values]]:
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

        return str(compiled), values


def _processor(bind: sa.BindParameter[Any], compiled: Any) -> Callable[[Any], Any] | None:
    if isinstance(bind.type, Millis):
        return _millis  # the same as the type's own, without the layers around it
    found: Callable[[Any], Any] | None = compiled._bind_processors.get(bind.key)  # noqa: SLF001
    return found


def _millis(at: datetime | None) -> int | None:
    return None if at is None else to_ms(at)
