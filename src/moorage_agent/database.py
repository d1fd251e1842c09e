"""The agent's one file: opening it, its transactions, and small remembered values.

Knows nothing of what the tables of others mean.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from typing import Any, Dict, Iterable, Iterator, Optional, Sequence, Union

FILE = "agent.db"
_META = "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)"


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")


class Database:
    """An SQLite file, owner-only. Used by one thread only."""

    def __init__(self, folder: str, file: str = FILE) -> None:
        """Open or make the file in the folder. Raises OSError or sqlite3.Error."""
        os.makedirs(folder, mode=0o700, exist_ok=True)
        path = os.path.join(folder, file)
        if not os.path.exists(path):
            # SQLite gives its side files the mode of this one.
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        self._db = sqlite3.connect(path, isolation_level=None, timeout=10)
        # A text that the disk has mangled is still one; a statement that fails would be for ever.
        self._db.text_factory = _text
        self._db.execute("PRAGMA journal_mode=WAL")
        # Acknowledged to us means durable: a power cut right after must not take it back.
        self._db.execute("PRAGMA synchronous=FULL")
        # In KiB; SQLite would take four times as much, and the system keeps pages as well.
        self._db.execute("PRAGMA cache_size=-512")
        self._db.execute(_META)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def script(self, statements: str) -> None:
        """Run statements, outside of a transaction."""
        self._db.executescript(statements)

    def execute(
        self, sql: str, values: Union[Sequence[Any], Dict[str, Any]] = ()
    ) -> sqlite3.Cursor:
        """Run a statement."""
        return self._db.execute(sql, values)

    def execute_many(self, sql: str, values: Iterable[Sequence[Any]]) -> None:
        """Run a statement once for each of the values."""
        self._db.executemany(sql, values)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; within another one it is part of that."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        # A full disk may have ended the transaction already.
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def get(self, name: str) -> Optional[str]:
        """Return a remembered value."""
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def put(self, **values: Optional[str]) -> None:
        """Remember values, all or none; None forgets."""
        with self.transaction():
            for name, value in values.items():
                if value is None:
                    self._db.execute("DELETE FROM meta WHERE name = ?", (name,))
                else:
                    # SQLite takes no lone surrogates, which stand for bytes that were no UTF-8.
                    text = value.encode("utf-8", "replace").decode("utf-8")
                    self._db.execute("REPLACE INTO meta VALUES (?, ?)", (name, text))
