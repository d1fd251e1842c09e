"""The one MetaData all stores put their tables in, and the column types they share."""

from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from moorage.kit.clock import from_ms, to_ms

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Millis(TypeDecorator[datetime]):
    """Aware UTC outside, BIGINT epoch milliseconds in the table."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """Turn a time into milliseconds."""
        return None if value is None else to_ms(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Turn milliseconds into a time."""
        return None if value is None else from_ms(value)


class JsonText(TypeDecorator[Any]):
    """JSON as TEXT: the same bytes on both engines, and what went in comes out."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Encode."""
        return None if value is None else _encode(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ARG002
        """Decode."""
        return None if value is None else _decode(value)


def table(
    name: str, *parts: sa.schema.SchemaItem, clustered: bool = False, by: str | None = None
) -> sa.Table:
    """Declare a table in our MetaData.

    ``clustered``: rows live in primary-key order on SQLite (WITHOUT ROWID), right for narrow rows
    read by key range. ``by``: the column that PostgreSQL tells its partitions by.
    """
    options: dict[str, Any] = {"sqlite_with_rowid": False} if clustered else {}
    if by is not None:
        options["postgresql_partition_by"] = f"RANGE ({by})"
    return sa.Table(name, metadata, *parts, **options)
