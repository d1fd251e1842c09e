"""Engine, transactions and what needs no capability's rules. Knows no product and no HTTP.

What differs between SQLite and PostgreSQL is in ``dialect``; what can go wrong is in ``errors``.
"""

from moorage.storage.database import (
    Database,
    PostgresDatabase,
    Row,
    SQLiteDatabase,
    Tx,
    open_database,
)
from moorage.storage.dialect import contains_text
from moorage.storage.errors import (
    MissingParent,
    NewerDatabase,
    StorageBusy,
    StorageError,
    StorageFull,
    StorageRefusesRow,
    StorageUnavailable,
    UniqueViolation,
    WrongKeys,
)
from moorage.storage.schema import JsonText, Millis, metadata, table

__all__ = [
    "Database",
    "JsonText",
    "Millis",
    "MissingParent",
    "NewerDatabase",
    "PostgresDatabase",
    "Row",
    "SQLiteDatabase",
    "StorageBusy",
    "StorageError",
    "StorageFull",
    "StorageRefusesRow",
    "StorageUnavailable",
    "Tx",
    "UniqueViolation",
    "WrongKeys",
    "contains_text",
    "metadata",
    "open_database",
    "table",
]
