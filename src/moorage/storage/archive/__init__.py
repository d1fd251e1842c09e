"""Backups of a whole database, and copies from one engine to the other.

Knows tables, rows and files; not what the tables are for. What a restored database must forget is
the server's business.
"""

from moorage.storage.archive.errors import ArchiveError
from moorage.storage.archive.file import (
    FORMAT,
    Manifest,
    Part,
    Reader,
    check_free,
    partial,
    put_in_place,
    reading,
)
from moorage.storage.archive.loading import load
from moorage.storage.archive.saving import save
from moorage.storage.archive.tables import is_empty

__all__ = [
    "FORMAT",
    "ArchiveError",
    "Manifest",
    "Part",
    "Reader",
    "check_free",
    "is_empty",
    "load",
    "partial",
    "put_in_place",
    "reading",
    "save",
]
