"""A database as both engines have it: tables, rows of plain values, and a checksum over them.

Goes by what is in the database, not by this release's tables: a backup before a migration is of an
older schema. Rows are numbers, truth values, text and bytes; what a value means is not looked at.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import msgspec
import sqlalchemy as sa

from moorage.storage.archive.errors import ArchiveError
from moorage.storage.texts import is_derived

Values: TypeAlias = Sequence[Any]

VERSION_TABLE = "alembic_version"
# Where a copy that was not finished has got to; gone when it is.
PROGRESS_TABLE = "copy_progress"
_OURS_ALONE = frozenset({VERSION_TABLE, PROGRESS_TABLE})
_TYPES: dict[str, sa.types.TypeEngine[Any]] = {
    "boolean": sa.Boolean(),
    "integer": sa.BigInteger(),
    "real": sa.Double(),
    "text": sa.Text(),
    "bytes": sa.LargeBinary(),
}
_PARTS = (
    "SELECT c.relname FROM pg_class c WHERE c.relispartition OR c.relkind = 'r' AND EXISTS ("
    "SELECT 1 FROM pg_class p WHERE p.relkind = 'p' "
    "AND c.relname ~ ('^' || p.relname || '_(before_)?[0-9]{8}$'))"
)
_ROWS_AT_ONCE = 500
_CHECKSUM_BYTES = 16
_encode = msgspec.msgpack.Encoder().encode


class Column(msgspec.Struct, frozen=True):
    """``kind`` is one of boolean, integer, real, text, bytes."""

    name: str
    kind: str


class Table(msgspec.Struct, frozen=True):
    """A table by its columns; ``key`` names those of its primary key."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    def clause(self) -> sa.TableClause:
        """Return it as something to select from and to insert into, its values plain ones."""
        return sa.table(self.name, *(sa.column(c.name, _TYPES[c.kind]) for c in self.columns))


def tables_of(connection: sa.Connection) -> list[Table]:
    """Return all tables with rows of ours, each after those that its foreign keys point at.

    Raises:
        ArchiveError: a column is of a kind that cannot be carried over.

    """
    found = sa.MetaData()
    parts = _partitions(connection)
    left_out = _OURS_ALONE | parts
    found.reflect(connection, only=lambda name, _: name not in left_out and not is_derived(name))
    return [_described(table) for table in found.sorted_tables]


def _partitions(connection: sa.Connection) -> frozenset[str]:
    """Parts of a partitioned table, whose rows are the whole table's, and what was cut off it.

    A day that was detached and not dropped yet is past its time, and no table of the schema.
    """
    if connection.dialect.name != "postgresql":
        return frozenset()
    return frozenset(row.relname for row in connection.exec_driver_sql(_PARTS))


def _described(table: sa.Table) -> Table:
    columns = tuple(Column(str(column.name), _kind_of(table, column)) for column in table.columns)
    return Table(str(table.name), columns, tuple(str(column.name) for column in table.primary_key))


def _kind_of(table: sa.Table, column: sa.Column[Any]) -> str:
    kinds: dict[type[Any], str] = {
        sa.Boolean: "boolean",
        sa.Integer: "integer",
        sa.Float: "real",
        sa.String: "text",
        sa.LargeBinary: "bytes",
    }
    for type_, kind in kinds.items():
        if isinstance(column.type, type_):
            return kind
    raise ArchiveError(
        f"column {table.name}.{column.name} is of type {column.type}, which is not known to "
        "backups; it is none that Moorage made"
    )


def is_empty(connection: sa.Connection) -> bool:
    """Whether the database holds no table at all."""
    return not sa.inspect(connection).get_table_names()


def chunks(connection: sa.Connection, table: Table) -> Iterator[list[Values]]:
    """Yield all rows in no order, some at a time."""
    chosen = sa.select(table.clause())
    result = connection.execute(chosen, execution_options={"yield_per": _ROWS_AT_ONCE})
    plain = plain_rows(table)
    for rows in result.partitions():
        yield plain(rows)


def plain_rows(table: Table) -> Callable[[Iterable[Values]], list[Values]]:
    """Return what makes rows look the same whichever engine they came from."""
    reals = [at for at, column in enumerate(table.columns) if column.kind == "real"]

    def plain(rows: Iterable[Values]) -> list[Values]:
        found = [list(row) for row in rows]
        for row in found if reals else ():
            for at in reals:
                if row[at] is not None:
                    row[at] = float(row[at]) + 0.0  # SQLite knows no negative zero
        return [*found]

    return plain


class Sum:
    """Count and checksum of a table's rows, in whatever order they come.

    The checksum is the sum of the rows' digests: it tells damage and loss, not a clever forger.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0

    def add(self, rows: Iterable[Values]) -> None:
        """Take some rows in."""
        for row in rows:
            digest = hashlib.blake2b(_encode(row), digest_size=_CHECKSUM_BYTES).digest()
            self._sum += int.from_bytes(digest)
            self.rows += 1

    @property
    def checksum(self) -> str:
        """32 hex digits."""
        return f"{self._sum % (1 << 8 * _CHECKSUM_BYTES):032x}"


def sum_of(connection: sa.Connection, table: Table) -> Sum:
    """Read a whole table and return its count and checksum."""
    total = Sum()
    for rows in chunks(connection, table):
        total.add(rows)
    return total
