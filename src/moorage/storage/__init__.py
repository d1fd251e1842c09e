"""Engine, transactions and what needs no capability's rules. Knows no product and no HTTP.

What differs between SQLite and PostgreSQL is in ``dialect``; what can go wrong is in ``errors``.
"""

from moorage.storage.announcements import EVERYTHING
from moorage.storage.database import Database, Row, Tx
from moorage.storage.dialect import Engine, contains_text
from moorage.storage.errors import (
    MissingParent,
    NewerDatabase,
    StorageBusy,
    StorageError,
    StorageFull,
    StorageRefusesRow,
    StorageUnavailable,
    Unfinished,
    UniqueViolation,
    WrongKeys,
)
from moorage.storage.opening import open_database
from moorage.storage.postgresql import PostgresDatabase
from moorage.storage.prepared import Prepared
from moorage.storage.relay import relayed
from moorage.storage.schema import JsonText, Millis, metadata, table
from moorage.storage.sqlite import SQLiteDatabase
from moorage.storage.texts import TextIndex
from moorage.storage.vault import Vault

__all__ = [
    "EVERYTHING",
    "Database",
    "Engine",
    "JsonText",
    "Millis",
    "MissingParent",
    "NewerDatabase",
    "PostgresDatabase",
    "Prepared",
    "Row",
    "SQLiteDatabase",
    "StorageBusy",
    "StorageError",
    "StorageFull",
    "StorageRefusesRow",
    "StorageUnavailable",
    "TextIndex",
    "Tx",
    "Unfinished",
    "UniqueViolation",
    "Vault",
    "WrongKeys",
    "contains_text",
    "metadata",
    "open_database",
    "relayed",
    "table",
]
