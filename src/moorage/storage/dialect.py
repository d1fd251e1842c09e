"""Everything that differs between SQLite and PostgreSQL, as a few named helpers.

Nowhere else in the code is the engine asked for its name.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError

from moorage.storage.errors import (
    MissingParent,
    StorageBusy,
    StorageError,
    StorageFull,
    StorageRefusesRow,
    StorageUnavailable,
    UniqueViolation,
)
from moorage.storage.schema import metadata

_json = msgspec.json.Encoder().encode
Insert: TypeAlias = sqlite.Insert | postgresql.Insert


class Engine(Protocol):
    """What the code may ask of an engine."""

    name: str
    # Whether a join may depend on the row it is joined to.
    has_lateral: bool
    # Whether it works inside this process, so that the loop stands still while a statement runs.
    in_process: bool

    def insert(self, table: sa.Table) -> Any:
        """INSERT with ``on_conflict_do_nothing`` and ``on_conflict_do_update``."""
        ...

    def listed(self, *names: str) -> sa.TableValuedAlias:
        """Rows of text, given as one parameter ``listed``, to join a table with.

        One statement text for any number of rows: it is compiled once, and SQLite can use an index
        on several columns, which it cannot for ``(a, b) IN (VALUES ...)``.
        """
        ...

    def listed_value(self, rows: Sequence[tuple[str, ...]]) -> dict[str, Any]:
        """Return the parameters that go with ``listed``."""
        ...

    def offered(
        self, texts: "Texts", text: str
    ) -> "sa.ColumnElement[bool] | sa.Select[Any] | None":
        """Narrow down which rows may hold a text, by the index.

        A condition to add, or a look-up of their keys, or None where the index is of no use. Rows
        that do hold it, as ``contains_text`` has it, are among those left.
        """
        ...

    def translate(self, error: DBAPIError) -> StorageError:
        """Say in our words what the driver complained about."""
        ...


@dataclass(frozen=True)
class Texts:
    """Which columns of a table have their texts indexed; its key is text."""

    table: str
    key: str
    columns: tuple[str, ...]

    @property
    def index(self) -> str:
        """The name of SQLite's table of groups."""
        return f"{self.table}_texts_index"

    @property
    def lowered(self) -> str:
        """PostgreSQL's expression, to the letter as its index has it."""
        parts = (f"coalesce({self.table}.{name}, '')" for name in self.columns)
        return f"lower({' || chr(10) || '.join(parts)})"


def contains_text(column: sa.ColumnElement[str], text: str) -> sa.ColumnElement[bool]:
    """Whether the column holds the text, whatever its case; ``%`` and ``_`` mean themselves."""
    tried = _spellings(text)
    lowered = [sa.func.lower(column).contains(one.lower(), autoescape=True) for one in tried]
    return sa.or_(
        *lowered, *(column.contains(one, autoescape=True) for one in tried if not one.isascii())
    )


def _spellings(text: str) -> list[str]:
    # SQLite's lower() knows ASCII only; beyond that the usual spellings are tried.
    return [text.lower()] if text.isascii() else list({text.lower(): 0, text.upper(): 0, text: 0})


class SQLite:
    """The embedded engine."""

    name = "sqlite"
    has_lateral = False
    in_process = True
    _UNIQUE = re.compile(r"UNIQUE constraint failed: (.+)$")

    def insert(self, table: sa.Table) -> sqlite.Insert:
        """INSERT of this engine."""
        return sqlite.insert(table)

    def listed(self, *names: str) -> sa.TableValuedAlias:
        """Unpack one JSON array with ``json_each``."""
        source = sa.func.json_each(sa.bindparam("listed", type_=sa.Text)).table_valued("value")
        if len(names) == 1:
            columns = [sa.type_coerce(source.c.value, sa.Text).label(names[0])]
        else:
            columns = [
                sa.func.json_extract(source.c.value, f"$[{at}]", type_=sa.Text).label(name)
                for at, name in enumerate(names)
            ]
        return sa.select(*columns).subquery("listed")  # type: ignore[return-value]

    def listed_value(self, rows: Sequence[tuple[str, ...]]) -> dict[str, Any]:
        """One JSON array of texts, or of arrays."""
        alone = rows and len(rows[0]) == 1
        return {"listed": _json([text for (text,) in rows] if alone else rows).decode()}

    def offered(self, texts: Texts, text: str) -> sa.Select[Any]:
        """By groups of three characters; for fewer the texts are read, which lie close together."""
        all_of = sa.table(f"{texts.table}_texts", *map(sa.column, ("number", "key", "text")))
        wanted = [_groups(one) for one in _spellings(text)]
        if not all(wanted):
            # What contains_text says, without lower() for each row: LIKE minds no case of ASCII.
            tried = {form: 0 for one in _spellings(text) for form in (one.lower(), one)}
            holds = sa.or_(*(all_of.c.text.contains(form, autoescape=True) for form in tried))
            return sa.select(all_of.c.key).where(holds)
        index = sa.table(texts.index, sa.column("rowid"), sa.column(texts.index))
        match = " OR ".join(f"({' AND '.join(groups)})" for groups in wanted)
        found = index.join(all_of, all_of.c.number == index.c.rowid)
        return (
            sa.select(all_of.c.key)
            .select_from(found)
            .where(index.c[texts.index].op("MATCH")(match))
        )

    def translate(self, error: DBAPIError) -> StorageError:  # noqa: PLR0911 - one return a meaning
        """Read SQLite's message; its error codes are too coarse to name the constraint."""
        text = str(error.orig)
        if isinstance(error, IntegrityError):
            found = self._UNIQUE.search(text)
            if found:
                return UniqueViolation(_constraint_of(found[1]))
            return MissingParent(text)
        if "locked" in text or "busy" in text:
            return StorageBusy("the database is locked by another process")
        if "full" in text:
            return StorageFull("the disk is full")
        if isinstance(error.orig, OverflowError) or "too big" in text or "datatype" in text:
            return StorageRefusesRow("a value is outside what a column can hold")
        if "unable to open" in text or "readonly" in text:
            return StorageUnavailable(
                "the database file cannot be opened for writing: see whether its folder is there, "
                f"this user may write in it, and its disk is writable (SQLite says: {text})"
            )
        return StorageUnavailable(f"SQLite says: {text}")


class PostgreSQL:
    """The engine for many machines."""

    name = "postgresql"
    has_lateral = True
    in_process = False
    _FULL = frozenset({"53100"})
    _BUSY = frozenset({"40001", "40P01", "55P03", "57014"})

    def insert(self, table: sa.Table) -> postgresql.Insert:
        """INSERT of this engine."""
        return postgresql.insert(table)

    def listed(self, *names: str) -> sa.TableValuedAlias:
        """Unpack parallel arrays with ``unnest``."""
        arrays = [
            sa.bindparam(f"listed_{at}", type_=postgresql.ARRAY(sa.Text))
            for at in range(len(names))
        ]
        source = sa.func.unnest(*arrays).table_valued(*(sa.column(n, sa.Text) for n in names))
        return source.render_derived(name="listed")

    def listed_value(self, rows: Sequence[tuple[str, ...]]) -> dict[str, Any]:
        """One array a column."""
        width = len(rows[0]) if rows else 0
        return {f"listed_{at}": [row[at] for row in rows] for at in range(width)}

    def offered(self, texts: Texts, text: str) -> sa.ColumnElement[bool] | None:
        """By the indexed expression; its groups are of letters and digits only."""
        spellings = _spellings(text)
        if not all(_PG_GROUP.search(one) for one in spellings):
            return None
        lowered = sa.literal_column(texts.lowered, sa.Text)
        # What this engine's lower() makes of a text may differ from what Python's does.
        either = {one.lower(): 0 for one in spellings}
        parts = [lowered.contains(one, autoescape=True) for one in either]
        parts += [
            lowered.contains(sa.func.lower(_escaped(one)), escape="/")
            for one in spellings
            if not one.isascii()
        ]
        return sa.or_(*parts)

    def translate(self, error: DBAPIError) -> StorageError:  # noqa: PLR0911 - one return a meaning
        """Go by SQLSTATE."""
        state = getattr(error.orig, "sqlstate", None) or ""
        if state == "23505":
            return UniqueViolation(_constraint_name(error))
        if state == "23503":
            return MissingParent("the row this one belongs to is gone")
        if state == "23514":  # no table has a CHECK: it is a day without a partition
            return StorageUnavailable("PostgreSQL has no partition for a day; it is being made")
        if state in self._FULL:
            return StorageFull("PostgreSQL has no room left")
        if state in self._BUSY:
            return StorageBusy(f"PostgreSQL could not get a lock (SQLSTATE {state})")
        if state.startswith("22") or (not state and "invalid input" in str(error.orig)):
            return StorageRefusesRow(f"a value is outside what a column can hold ({state})")
        return StorageUnavailable(f"PostgreSQL is not answering (SQLSTATE {state or 'none'})")


def engine_named(name: str) -> Engine:
    """Return the helpers of an engine by SQLAlchemy's name for it."""
    return PostgreSQL() if name == "postgresql" else SQLite()


# A group of PostgreSQL's is of letters and digits; one character of SQLite's is as good as another.
_PG_GROUP = re.compile(r"[^\W_]{3}")
_GROUP = 3
_MOST_GROUPS = 32  # of a long text those at its beginning narrow down enough


def _groups(text: str) -> list[str]:
    """Return the text's groups of three as FTS5 takes them; none when it is shorter."""
    found = dict.fromkeys(text[at : at + _GROUP] for at in range(len(text) - _GROUP + 1))
    usable = [one.replace('"', '""') for one in found if "\0" not in one]
    return [f'"{one}"' for one in usable[:_MOST_GROUPS]]


def _escaped(text: str) -> str:
    for special in "/%_":
        text = text.replace(special, f"/{special}")
    return text


def _constraint_of(columns: str) -> str:
    """Name in our schema of the unique constraint over ``table.a, table.b``."""
    names = [column.strip().split(".") for column in columns.split(",")]
    table, wanted = names[0][0], {parts[-1] for parts in names}
    for constraint in metadata.tables[table].constraints:
        if isinstance(constraint, sa.UniqueConstraint | sa.PrimaryKeyConstraint) and wanted == {
            column.name for column in constraint.columns
        }:
            return str(constraint.name)
    for index in metadata.tables[table].indexes:
        if index.unique and wanted == {column.name for column in index.columns}:
            return str(index.name)
    return columns


def _constraint_name(error: DBAPIError) -> str:
    # SQLAlchemy's wrapping of the driver's error, or that itself.
    cause = getattr(error.orig, "__cause__", None)
    told = (getattr(one, "constraint_name", None) for one in (error.orig, cause))
    return next((str(name) for name in told if name), "unknown")
